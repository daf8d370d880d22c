//! `GET /docs`: the reference of the API, made from its OpenAPI description.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::response::Response;
use serde_json::{Map, Value};

use super::html::{self, Escaped};
use crate::openapi;

/// Made once: it depends on the code alone.
static PAGE: LazyLock<String> = LazyLock::new(|| render(&openapi::document()));

/// The page.
pub async fn reference() -> Response {
    html::respond(PAGE.as_str())
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page for an OpenAPI document.
pub fn render(openapi: &Value) -> String {
    let mut body = String::new();
    let text = |pointer: &str| openapi.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    put(&mut body, format_args!("<h1>{}</h1>\n", Escaped(text("/info/title"))));
    for paragraph in text("/info/description").split("\n\n") {
        put(&mut body, format_args!("<p>{}</p>\n", inline(paragraph)));
    }
    let tags = openapi["tags"].as_array().cloned().unwrap_or_default();
    for tag in &tags {
        let name = tag["name"].as_str().unwrap_or_default();
        put(&mut body, format_args!("<h2 id=\"{0}\">{0}</h2>\n", Escaped(name)));
        put(&mut body, format_args!("<p>{}</p>\n", inline(tag["description"].as_str().unwrap_or_default())));
        for (path, item) in members(&openapi["paths"]) {
            for method in METHODS {
                let operation = &item[method];
                if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == name)) {
                    render_operation(&mut body, method, path, operation);
                }
            }
        }
    }
    body.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in members(&openapi["components"]["schemas"]) {
        render_schema(&mut body, name, schema);
    }
    html::page("en", text("/info/title"), &body)
}

fn render_operation(body: &mut String, method: &str, path: &str, operation: &Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    put(
        body,
        format_args!(
            "<h3 id=\"{}\"><code><span class=\"method\">{}</span> {}</code></h3>\n",
            Escaped(id),
            method.to_uppercase(),
            Escaped(path)
        ),
    );
    for member in ["summary", "description"] {
        if let Some(text) = operation[member].as_str() {
            put(body, format_args!("<p>{}</p>\n", inline(text)));
        }
    }
    let security = operation["security"].as_array().cloned().unwrap_or_default();
    if security.iter().any(|one| one.as_object().is_some_and(Map::is_empty)) {
        body.push_str("<p class=\"quiet\">With a bearer token, some see more.</p>\n");
    } else if !security.is_empty() {
        body.push_str("<p class=\"quiet\">With a bearer token.</p>\n");
    }
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    if !parameters.is_empty() {
        body.push_str("<table>\n<caption>Parameters</caption>\n");
        for parameter in &parameters {
            put(
                body,
                format_args!(
                    "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    Escaped(parameter["name"].as_str().unwrap_or_default()),
                    Escaped(parameter["in"].as_str().unwrap_or_default()),
                    type_of(&parameter["schema"]),
                    inline(parameter["description"].as_str().unwrap_or_default())
                ),
            );
        }
        body.push_str("</table>\n");
    }
    for (media, content) in members(&operation["requestBody"]["content"]) {
        put(
            body,
            format_args!("<p>Body: <code>{}</code>, {}.</p>\n", Escaped(media), type_of(&content["schema"])),
        );
    }
    body.push_str("<table>\n<caption>Answers</caption>\n");
    for (status, response) in members(&operation["responses"]) {
        let kinds: Vec<String> = members(&response["content"])
            .map(|(media, content)| {
                format!("<code>{}</code> {}", Escaped(media), type_of(&content["schema"]))
            })
            .collect();
        put(
            body,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                Escaped(status),
                inline(response["description"].as_str().unwrap_or_default()),
                kinds.join("<br>")
            ),
        );
    }
    body.push_str("</table>\n");
}

fn render_schema(body: &mut String, name: &str, schema: &Value) {
    put(body, format_args!("<h3 id=\"schema-{0}\"><code>{0}</code></h3>\n", Escaped(name)));
    if let Some(description) = schema["description"].as_str() {
        put(body, format_args!("<p>{}</p>\n", inline(description)));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        put(body, format_args!("<p>One of: <code>{}</code></p>\n", Escaped(&values.join(" | "))));
    }
    for alternatives in ["oneOf", "anyOf"] {
        if schema[alternatives].is_array() {
            put(body, format_args!("<p>{}</p>\n", type_of(schema)));
        }
    }
    render_members(body, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if part["$ref"].is_string() {
            put(body, format_args!("<p>The members of {}, and these.</p>\n", type_of(part)));
        }
        render_members(body, part);
    }
}

fn render_members(body: &mut String, schema: &Value) {
    if !schema["properties"].is_object() {
        return;
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    body.push_str("<table>\n");
    for (member, property) in members(&schema["properties"]) {
        put(
            body,
            format_args!(
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                Escaped(member),
                type_of(property),
                if required.iter().any(|name| name == member) { "always" } else { "optional" },
                inline(property["description"].as_str().unwrap_or_default())
            ),
        );
    }
    body.push_str("</table>\n");
}

/// A schema in a few words of HTML.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", Escaped(name));
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[several].as_array() {
            return schemas.iter().map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(kind) => Escaped(kind).to_string(),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            Escaped(&kinds.join(" or ")).to_string()
        }
        _ => "any JSON".to_owned(),
    }
}

/// Text with `code` in backticks.
fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let code = at % 2 == 1;
        put(
            &mut html,
            format_args!(
                "{}{}{}",
                if code { "<code>" } else { "" },
                Escaped(part),
                if code { "</code>" } else { "" }
            ),
        );
    }
    html
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE).iter()
}

fn put(body: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = body.write_fmt(text);
}
