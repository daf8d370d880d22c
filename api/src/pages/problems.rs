//! `GET /problems` and `GET /problems/{slug}`: what each problem means and what to do.

use std::fmt::Write as _;

use axum::response::Response;

use super::html::{self, Escaped};
use crate::http::extract::Path;
use crate::problem::{KINDS, Kind, Problem};

/// All kinds.
pub async fn problems() -> Response {
    let mut body = String::from(
        "<h1>Problems</h1>\n<p>Every error is a document of the type <code>application/problem+json</code> (RFC 9457). \
         Its <code>type</code> is one of these pages.</p>\n<table>\n\
         <tr><th scope=\"col\">Type</th><th scope=\"col\">Status</th><th scope=\"col\">Meaning</th></tr>\n",
    );
    for kind in KINDS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            body,
            "<tr><td><a href=\"{uri}\">{slug}</a></td><td>{status}</td><td>{title}</td></tr>",
            uri = kind.uri(),
            slug = kind.slug,
            status = kind.status,
            title = Escaped(kind.title)
        );
    }
    body.push_str("</table>\n");
    html::respond(html::page("en", "Problems", &body))
}

/// One kind.
pub async fn problem(Path(slug): Path<String>) -> Result<Response, Problem> {
    let kind: &Kind = KINDS.iter().find(|kind| kind.slug == slug).ok_or_else(Problem::not_found)?;
    let body = format!(
        "<h1>{title}</h1>\n<p>HTTP status {status}, type <code>{uri}</code>.</p>\n<h2>What to do</h2>\n<p>{action}</p>\n\
         <p><a href=\"/problems\">All problems</a></p>\n",
        title = Escaped(kind.title),
        status = kind.status,
        uri = kind.uri(),
        action = Escaped(kind.action)
    );
    Ok(html::respond(html::page("en", kind.title, &body)))
}
