//! Rules: what is refused, what is evaluated, and that it is always the same.
