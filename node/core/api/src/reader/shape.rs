//! What a member may be: the part of the service's model that bodies are checked against.

/// A structure of the model.
#[derive(Debug)]
pub struct Structure {
    /// The model's name, which error texts mention as a class.
    pub name: &'static str,
    /// In the order in which violations are told.
    pub members: &'static [Member],
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub support: Support,
}

/// What is done with a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    Required,
    Optional,
    /// In the model, but not here yet: a request that has it is refused by its name.
    NotYet,
}

impl Member {
    pub const fn required(name: &'static str, shape: &'static Shape) -> Member {
        Member { name, shape, support: Support::Required }
    }

    pub const fn optional(name: &'static str, shape: &'static Shape) -> Member {
        Member { name, shape, support: Support::Optional }
    }

    pub const fn not_yet(name: &'static str) -> Member {
        Member { name, shape: &Shape::Anything, support: Support::NotYet }
    }
}

/// Which texts a string may be.
#[derive(Debug)]
pub enum Names {
    Any,
    /// From so many to so many characters.
    Length(usize, usize),
    /// 3 to 255 characters of `[a-zA-Z0-9_.-]`.
    Name,
    /// A name, or the ARN of a table.
    TableNameOrArn,
    /// One of these, in the order in which DynamoDB lists them.
    Enum(&'static [&'static str]),
    /// From so many to so many characters, all as the pattern says that is shown.
    Pattern {
        shown: &'static str,
        matches: fn(&str) -> bool,
        min: usize,
        max: usize,
    },
}

/// Type and constraints of a value. Both bounds belong to a range.
#[derive(Debug)]
pub enum Shape {
    String(Names),
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Long {
        min: Option<i64>,
        max: Option<i64>,
    },
    /// Seconds since 1970, with a fraction.
    Timestamp,
    Double,
    Boolean,
    Binary,
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    Map {
        keys: &'static Shape,
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    Structure(&'static Structure),
    /// An attribute value: only its types are checked here.
    Value,
    /// Not looked into.
    Anything,
}

impl Shape {
    pub const TEXT: Shape = Shape::String(Names::Any);
    pub const TABLE_NAME: Shape = Shape::String(Names::TableNameOrArn);
    pub const NAME: Shape = Shape::String(Names::Name);
    /// An attribute's name: up to 65,535 characters.
    pub const ATTRIBUTE_NAME: Shape = Shape::String(Names::Length(0, 65_535));
    /// Attribute names to attribute values: an item, a key.
    pub const ITEM: Shape = Shape::map(&Shape::ATTRIBUTE_NAME, &Shape::Value);

    pub const fn list(of: &'static Shape) -> Shape {
        Shape::List { of, min: 0, max: usize::MAX }
    }

    pub const fn map(keys: &'static Shape, of: &'static Shape) -> Shape {
        Shape::Map { keys, of, min: 0, max: usize::MAX }
    }

    /// The Java class that DynamoDB's texts name where JSON has a list instead.
    pub(super) fn class(&self) -> String {
        match self {
            Shape::String(_) => "java.lang.String".into(),
            Shape::Integer { .. } => "java.lang.Integer".into(),
            Shape::Long { .. } => "java.lang.Long".into(),
            Shape::Timestamp => "java.util.Date".into(),
            Shape::Double => "java.lang.Double".into(),
            Shape::Boolean => "java.lang.Boolean".into(),
            Shape::Binary => "java.nio.ByteBuffer".into(),
            Shape::List { of, .. } => format!("java.util.List<{}>", of.class()),
            Shape::Map { keys, of, .. } => format!("java.util.Map<{}, {}>", keys.class(), of.class()),
            Shape::Structure(structure) => format!("com.amazonaws.dynamodb.v20120810.{}", structure.name),
            Shape::Value => format!("com.amazonaws.dynamodb.v20120810.{}", ATTRIBUTE_VALUE.name),
            Shape::Anything => "java.lang.Object".into(),
        }
    }
}

/// The ten data types; lists and maps of it are made of itself.
pub static ATTRIBUTE_VALUE: Structure = Structure {
    name: "AttributeValue",
    members: &[
        Member::optional("S", &Shape::TEXT),
        Member::optional("N", &Shape::TEXT),
        Member::optional("B", &Shape::Binary),
        Member::optional("SS", &Shape::list(&Shape::TEXT)),
        Member::optional("NS", &Shape::list(&Shape::TEXT)),
        Member::optional("BS", &Shape::list(&Shape::Binary)),
        Member::optional("M", &Shape::ITEM),
        Member::optional("L", &Shape::list(&Shape::Value)),
        Member::optional("NULL", &Shape::Boolean),
        Member::optional("BOOL", &Shape::Boolean),
    ],
};
