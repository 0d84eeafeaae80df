use super::{check_lines, item, json, with_placeholders};
use crate::Projection;

const ITEM: &str = r#"{
    "pk": {"S": "k"}, "s": {"S": "x"}, "l": {"L": [{"N": "0"}, {"N": "1"}, {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}]},
    "m": {"M": {"x": {"N": "1"}, "e": {"M": {}}, "l": {"L": [{"S": "p"}, {"S": "q"}]}}}
}"#;

#[test]
fn projections() {
    let item = item(ITEM);
    check_lines(
        r#"s => {"s":{"S":"x"}}
           s, pk => {"pk":{"S":"k"},"s":{"S":"x"}}
           absent => {}
           m.x => {"m":{"M":{"x":{"N":"1"}}}}
           m.absent => {}
           m.e => {"m":{"M":{"e":{"M":{}}}}}
           l[2], l[0] => {"l":{"L":[{"N":"0"},{"M":{"x":{"N":"1"},"y":{"N":"2"}}}]}}
           l[2].y, l[1] => {"l":{"L":[{"N":"1"},{"M":{"y":{"N":"2"}}}]}}
           l[10] => {}
           l[0].x => {}
           s[0] => {}
           m.l[1], m.x => {"m":{"M":{"l":{"L":[{"S":"q"}]},"x":{"N":"1"}}}}
           s, m.#x, #name => {"m":{"M":{"x":{"N":"1"}}},"s":{"S":"x"}}
           s, s => ! Two document paths overlap with each other; must remove or rewrite one of these paths; \
              path one: [s], path two: [s]
           m.l[0], m => ! Two document paths overlap with each other; must remove or rewrite one of these paths; \
              path one: [m, l, [0]], path two: [m]
           m[0], m.x => ! Two document paths conflict with each other; must remove or rewrite one of these paths; \
              path one: [m, [0]], path two: [m, x]
           s, => ! Syntax error; token: "<EOF>", near: ","
           s m => ! Syntax error; token: "m", near: "s m"
           :a => ! Syntax error; token: ":a", near: ":a"
           size(s) => ! Syntax error; token: "(", near: "size(s"
           size, s => ! Attribute name is a reserved keyword; reserved keyword: size
           name => ! Attribute name is a reserved keyword; reserved keyword: name"#,
        |text| {
            with_placeholders(|placeholders| match Projection::parse(text, placeholders) {
                Ok(projection) => json(&projection.project(&item)),
                Err(error) => error.to_string().replace("Invalid ProjectionExpression: ", "! "),
            })
        },
    );
}
