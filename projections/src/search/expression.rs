//! A question in the words of each database's index. Tokens are letters and digits, which neither takes for an operator.

use std::fmt::Write as _;

use eventstore::sql::Dialect;

use super::query::Node;

/// The expression for a node: FTS5's, or a tsquery's.
pub(super) fn expression(dialect: Dialect, node: &Node) -> String {
    let mut text = String::new();
    write(dialect, node, &mut text);
    text
}

fn write(dialect: Dialect, node: &Node, text: &mut String) {
    let (and, or) = match dialect {
        Dialect::Sqlite => (" AND ", " OR "),
        Dialect::Postgres => (" & ", " | "),
    };
    // Writing to a String cannot fail.
    let _ = match (dialect, node) {
        (Dialect::Sqlite, Node::Token(token)) => write!(text, "\"{token}\""),
        (Dialect::Sqlite, Node::Beginning(token)) => write!(text, "\"{token}\" *"),
        (Dialect::Postgres, Node::Token(token)) => write!(text, "'{token}'"),
        (Dialect::Postgres, Node::Beginning(token)) => write!(text, "'{token}':*"),
        (_, Node::Sequence(words)) => {
            let words: Vec<Node> = words.iter().cloned().map(Node::Token).collect();
            between(dialect, &words, and, text);
            Ok(())
        }
        (_, Node::All(nodes)) => {
            between(dialect, nodes, and, text);
            Ok(())
        }
        (_, Node::Any(nodes)) => {
            between(dialect, nodes, or, text);
            Ok(())
        }
    };
}

fn between(dialect: Dialect, nodes: &[Node], operator: &str, text: &mut String) {
    text.push('(');
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            text.push_str(operator);
        }
        write(dialect, node, text);
    }
    text.push(')');
}
