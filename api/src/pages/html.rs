//! The frame of every page: accessible HTML with nothing from elsewhere.

use std::fmt;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use proofs::hash::sha256;

use crate::problem::Problem;

/// Nothing but our own stylesheet: no script, no frame, no form, no other host (W3C CSP level 3).
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The stylesheet, served at `/style.css`.
pub const STYLE: &str = include_str!("style.css");

/// Text in HTML: `&`, `<`, `>` and quotes as entities.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => fmt::Write::write_char(f, other)?,
            }
        }
        Ok(())
    }
}

/// A whole page. `body` is HTML.
pub fn page(language: &str, title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        Escaped(title)
    )
}

/// A page as a response.
pub fn respond(html: impl Into<axum::body::Body>) -> Response {
    let mut response = html.into().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A page that needs nothing beside itself, and so can be kept as a file: style and script stand in it.
pub struct Alone<'a> {
    /// `ru` or `en`.
    pub language: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its whole stylesheet.
    pub style: &'a str,
    /// Its script; nothing for a page without.
    pub script: &'a str,
    /// Its body, as HTML.
    pub body: &'a str,
}

impl Alone<'_> {
    /// What the page may do (W3C CSP level 3): have this style and this script, and nothing else. It can send nothing anywhere.
    fn policy(&self) -> String {
        let script = match self.script {
            "" => String::new(),
            script => format!("script-src 'sha256-{}'; ", sha256(script.as_bytes())),
        };
        format!(
            "default-src 'none'; {script}style-src 'sha256-{}'; connect-src 'none'; base-uri 'none'; form-action 'none'",
            sha256(self.style.as_bytes())
        )
    }

    /// The page as a response. The policy stands in the page as well: it holds when it is opened from a file.
    pub fn respond(&self) -> Result<Response, Problem> {
        let policy = self.policy();
        let script = match self.script {
            "" => String::new(),
            script => format!("<script>{script}</script>\n"),
        };
        let html = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
             <style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n{script}</body>\n</html>\n",
            self.language,
            Escaped(self.title),
            self.style,
            self.body
        );
        let mut response = respond(html);
        let policy = format!("{policy}; frame-ancestors 'none'");
        let policy = HeaderValue::try_from(policy).map_err(|error| Problem::internal(&error))?;
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(Escaped("<a href=\"'&\">").to_string(), "&lt;a href=&quot;&#39;&amp;&quot;&gt;");
    }
}
