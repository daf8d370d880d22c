//! `GET /`: what this server is, in Russian and English.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::html;

const BODY: &str = r#"<h1>Reestr</h1>
<section lang="ru">
<p>Здесь ведутся реестры: результат услуги&nbsp;— не бумага, а запись, подписанная ведомством.
Записи не меняют и не стирают, и каждый может проверить, что реестр цел.</p>
<ul>
<li><a href="/v1/registers">Реестры</a> и <a href="/v1/departments">ведомства</a>, которые их ведут</li>
<li><a href="/statistics">Статистика реестров</a></li>
<li><a href="/verify">Проверить квитанцию</a></li>
<li><a href="/docs">Справочник программного интерфейса</a>, <a href="/v1/openapi.json">описание OpenAPI</a></li>
<li><a href="/problems">Что означают ошибки</a></li>
</ul>
<p>Проверить все реестры этого сервера: <code>reestr audit --url</code> и адрес этой страницы.</p>
</section>
<section lang="en">
<p>Registers are kept here: the result of a service is not a paper but an entry that a department signed.
Entries are never changed or erased, and anyone can verify that a register is whole.</p>
<ul>
<li><a href="/v1/registers">Registers</a> and the <a href="/v1/departments">departments</a> that keep them</li>
<li><a href="/statistics?language=en">Statistics of registers</a></li>
<li><a href="/verify?language=en">Verify a receipt</a></li>
<li><a href="/docs">API reference</a>, <a href="/v1/openapi.json">OpenAPI description</a></li>
<li><a href="/problems">What the errors mean</a></li>
</ul>
<p>To verify every register of this server: <code>reestr audit --url</code> and the address of this page.</p>
</section>
"#;

/// The page.
pub async fn landing() -> Response {
    html::respond(html::page("ru", "Reestr", BODY))
}

/// The stylesheet of all pages.
pub async fn style() -> Response {
    let mut response = html::STYLE.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
