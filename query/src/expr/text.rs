//! SQL patterns.

use std::sync::Arc;

use arrow_array::{Scalar, StringArray};
use arrow_schema::DataType;
use arrow_string::like;

use super::node::{Node, Result, failed, first};
use super::types::is_text;

/// Binds `like` or `ilike`; `None` for what is no text.
pub(super) fn bind(text: Node, pattern: &str, ignore_case: bool) -> Result<Option<Node>> {
    if text.is_null_literal() {
        return Ok(Some(Node::null(&DataType::Boolean)));
    }
    if !is_text(&text.data_type) {
        return Ok(None);
    }
    let text = text.coerce(&DataType::Utf8)?;
    let pattern = Scalar::new(StringArray::from(vec![pattern]));
    let kernel = if ignore_case { like::ilike } else { like::like };
    let node = Node::call(DataType::Boolean, vec![text], move |arguments, _| {
        Ok(Arc::new(kernel(first(arguments)?, &pattern).map_err(failed)?))
    });
    node.map(Some)
}
