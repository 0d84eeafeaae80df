//! What a ProjectionExpression becomes: the paths to keep.

use crate::plan::path::Path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Document paths to keep of an item; none lies inside another if they come from text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Projection {
    paths: Vec<Path>,
}

impl Projection {
    /// A projection onto paths that need no check, such as whole attributes (`AttributesToGet`, an index's projection).
    pub fn of(paths: Vec<Path>) -> Projection {
        Projection { paths }
    }

    /// The paths, in the order of the expression.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Names of the top-level attributes referred to.
    pub fn attribute_names(&self) -> BTreeSet<&str> {
        self.paths.iter().map(Path::name).collect()
    }
}
