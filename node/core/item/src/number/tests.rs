//! Numbers against a model: fixed-point decimals, one byte a digit, wide enough for every number and every sum.

use super::*;
use proptest::prelude::*;

/// Weights of the model's digits, first and last.
const TOP: i32 = 160;
const BOTTOM: i32 = -220;
const WIDTH: usize = (TOP - BOTTOM + 1) as usize;

#[derive(Clone, PartialEq, Debug)]
struct Model {
    negative: bool,
    digits: Vec<u8>,
}

impl Model {
    /// `digits * 10^exponent`
    fn new(negative: bool, digits: &[u8], exponent: i32) -> Model {
        let mut model = Model { negative, digits: vec![0; WIDTH] };
        for (position, digit) in digits.iter().rev().enumerate() {
            if *digit > 0 {
                model.digits[(TOP - exponent - position as i32) as usize] = *digit;
            }
        }
        model
    }

    fn add(&self, other: &Model) -> Model {
        if self.negative == other.negative {
            return Model { negative: self.negative, digits: sum(&self.digits, &other.digits) };
        }
        match self.digits.cmp(&other.digits) {
            Ordering::Less => Model { negative: other.negative, digits: difference(&other.digits, &self.digits) },
            _ => Model { negative: self.negative, digits: difference(&self.digits, &other.digits) },
        }
    }

    fn first_and_last(&self) -> Option<(i32, i32)> {
        let first = self.digits.iter().position(|digit| *digit > 0)?;
        let last = self.digits.iter().rposition(|digit| *digit > 0)?;
        Some((TOP - first as i32, TOP - last as i32))
    }

    /// The normal form, or what is wrong with the number.
    fn text(&self) -> Result<String, NumberError> {
        let Some((first, last)) = self.first_and_last() else { return Ok("0".to_owned()) };
        if first > 125 {
            return Err(NumberError::Overflow);
        }
        if first < -130 {
            return Err(NumberError::Underflow);
        }
        if first - last >= 38 {
            return Err(NumberError::TooManyDigits);
        }
        let mut text = String::from(if self.negative { "-" } else { "" });
        for weight in (last.min(0)..=first.max(0)).rev() {
            if weight == -1 {
                text.push('.');
            }
            text.push((b'0' + self.digits[(TOP - weight) as usize]) as char);
        }
        Ok(text)
    }

    fn cmp(&self, other: &Model) -> Ordering {
        let zero = |model: &Model| model.first_and_last().is_none();
        match (self.negative && !zero(self), other.negative && !zero(other)) {
            (false, false) => self.digits.cmp(&other.digits),
            (true, true) => other.digits.cmp(&self.digits),
            (left, right) => right.cmp(&left),
        }
    }

    fn base_100_digits(&self) -> usize {
        let pairs = (BOTTOM / 2..=TOP / 2).map(|pair| {
            let digit = |weight: i32| if weight <= TOP { self.digits[(TOP - weight) as usize] } else { 0 };
            digit(2 * pair) + digit(2 * pair + 1) > 0
        });
        let pairs = pairs.collect::<Vec<_>>();
        let first = pairs.iter().position(|used| *used);
        first.map_or(0, |first| pairs.iter().rposition(|used| *used).unwrap() - first + 1)
    }
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = vec![0; WIDTH];
    let mut carry = 0;
    for position in (0..WIDTH).rev() {
        let total = left[position] + right[position] + carry;
        (digits[position], carry) = (total % 10, total / 10);
    }
    digits
}

fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = vec![0; WIDTH];
    let mut borrow = 0;
    for position in (0..WIDTH).rev() {
        let total = 10 + left[position] - right[position] - borrow;
        (digits[position], borrow) = (total % 10, 1 - total / 10);
    }
    digits
}

/// A spelling of `digits * 10^exponent` with the point `fraction` digits from the right.
fn spell(negative: bool, digits: &[u8], exponent: i32, fraction: usize) -> String {
    let text = digits.iter().map(|digit| (b'0' + digit) as char).collect::<String>();
    let (whole, rest) = text.split_at(text.len().saturating_sub(fraction));
    let exponent = exponent + rest.len() as i32;
    format!("{}{whole}.{rest}E{exponent:+}", if negative { "-" } else { "+" })
}

type Parts = (bool, Vec<u8>, i32);

fn parts(digits_max: usize, exponents: std::ops::Range<i32>) -> impl Strategy<Value = Parts> {
    (any::<bool>(), prop::collection::vec(prop_oneof![2 => 0..10_u8, 1 => Just(0_u8)], 1..=digits_max), exponents)
}

fn number_of((negative, digits, exponent): &Parts) -> (Number, Model) {
    let model = Model::new(*negative, digits, *exponent);
    (spell(*negative, digits, *exponent, 0).parse().expect("at most 38 digits"), model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn parse_and_print_agree_with_the_model(
        (negative, digits, exponent) in parts(50, -175..95), fraction in 0..50_usize
    ) {
        let parsed = Number::parse(&spell(negative, &digits, exponent, fraction));
        let expected = Model::new(negative, &digits, exponent).text();
        prop_assert_eq!(parsed.map(|number| number.to_string()), expected.clone());
        if let Ok(text) = expected {
            prop_assert_eq!(Number::parse(&text), parsed);
        }
    }

    #[test]
    fn arithmetic_agrees_with_the_model(left in parts(38, -25..25), right in parts(38, -25..25)) {
        let ((left, left_model), (right, right_model)) = (number_of(&left), number_of(&right));
        let text = |result: Result<Number, NumberError>| result.map(|number| number.to_string());
        prop_assert_eq!(text(left.checked_add(right)), left_model.add(&right_model).text());
        let negated = Model { negative: !right_model.negative, ..right_model };
        prop_assert_eq!(text(left.checked_sub(right)), left_model.add(&negated).text());
    }

    #[test]
    fn arithmetic_at_the_limits_agrees_with_the_model(
        left in parts(3, 121..124), right in parts(3, 121..124), small in parts(3, -130..-127)
    ) {
        let ((left, left_model), (right, right_model)) = (number_of(&left), number_of(&right));
        let text = |result: Result<Number, NumberError>| result.map(|number| number.to_string());
        prop_assert_eq!(text(left.checked_add(right)), left_model.add(&right_model).text());
        let (small, small_model) = number_of(&small);
        prop_assert_eq!(text(left.checked_add(small)), left_model.add(&small_model).text());
    }

    #[test]
    fn order_is_numeric(left in parts(6, -6..6), right in parts(6, -6..6)) {
        let ((left, left_model), (right, right_model)) = (number_of(&left), number_of(&right));
        let expected = left_model.cmp(&right_model);
        prop_assert_eq!(left.cmp(&right), expected);
        prop_assert_eq!(left == right, expected == Ordering::Equal);
        let encode = |number: Number| { let mut out = Vec::new(); number.encode_ordered(&mut out); out };
        prop_assert_eq!(encode(left).cmp(&encode(right)), expected);
    }

    #[test]
    fn encodings_round_trip(parts in parts(38, -130..88)) {
        let (number, model) = number_of(&parts);
        let (mut ordered, mut compact) = (Vec::new(), Vec::new());
        number.encode_ordered(&mut ordered);
        number.encode_compact(&mut compact);
        prop_assert!(compact.len() <= codec::COMPACT_BYTES_MAX);
        ordered.push(7);
        compact.push(7);
        let (mut ordered, mut compact) = (ordered.as_slice(), compact.as_slice());
        prop_assert_eq!(Number::decode_ordered(&mut ordered), Some(number));
        prop_assert_eq!(Number::decode_compact(&mut compact), Some(number));
        prop_assert_eq!((ordered, compact), (&[7_u8][..], &[7_u8][..]));

        let bytes = postcard::to_stdvec(&number).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Number>(&bytes).unwrap(), number);
        let json = serde_json::to_string(&number).unwrap();
        prop_assert_eq!(serde_json::from_str::<Number>(&json).unwrap(), number);

        let expected = 1 + model.base_100_digits() + usize::from(number.is_negative());
        prop_assert_eq!(number.size(), expected.min(21));
    }

    #[test]
    fn decoders_take_any_bytes_and_only_what_is_encoded(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let mut rest = bytes.as_slice();
        if let Some(number) = Number::decode_ordered(&mut rest) {
            let mut again = Vec::new();
            number.encode_ordered(&mut again);
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
        }
        let mut rest = bytes.as_slice();
        if let Some(number) = Number::decode_compact(&mut rest) {
            let mut again = Vec::new();
            number.encode_compact(&mut again);
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
        }
    }

    #[test]
    fn integers_are_themselves(value in any::<i64>(), unsigned in any::<u64>()) {
        prop_assert_eq!(Number::from_i64(value).to_string(), value.to_string());
        prop_assert_eq!(Number::from_i64(value).to_i64(), Some(value));
        prop_assert_eq!(Number::from_u64(unsigned).to_string(), unsigned.to_string());
        prop_assert_eq!(Number::parse(&value.to_string()), Ok(Number::from_i64(value)));
    }

    #[test]
    fn any_text_is_a_number_or_an_error(text in "[-+0-9.eE ]{0,12}|.{0,8}") {
        if let Ok(number) = Number::parse(&text) {
            prop_assert_eq!(Number::parse(&number.to_string()), Ok(number));
        }
    }
}

#[test]
fn texts_and_their_normal_forms() {
    let nines = "9".repeat(38);
    let cases = [
        ("0", Ok("0".to_owned())),
        ("-0.00e5", Ok("0".to_owned())),
        ("0E999999999999999999999", Ok("0".to_owned())),
        ("1E2", Ok("100".to_owned())),
        ("0.10", Ok("0.1".to_owned())),
        ("+007.50", Ok("7.5".to_owned())),
        (".5", Ok("0.5".to_owned())),
        ("5.", Ok("5".to_owned())),
        ("-12.5e-3", Ok("-0.0125".to_owned())),
        ("1E100", Ok(format!("1{}", "0".repeat(100)))),
        ("1e-130", Ok(format!("0.{}1", "0".repeat(129)))),
        (&format!("{nines}E88"), Ok(format!("{nines}{}", "0".repeat(88)))),
        (&format!("{nines}000"), Ok(format!("{nines}000"))),
        (&format!("1{}", "0".repeat(125)), Ok(format!("1{}", "0".repeat(125)))),
        (&format!("{nines}1"), Err(NumberError::TooManyDigits)),
        (&format!("1{}1", "0".repeat(37)), Err(NumberError::TooManyDigits)),
        (&format!("{nines}1E200"), Err(NumberError::Overflow)),
        ("1E126", Err(NumberError::Overflow)),
        ("-1E126", Err(NumberError::Overflow)),
        ("1E99999999999999999999999", Err(NumberError::Overflow)),
        ("9.9E-131", Err(NumberError::Underflow)),
        ("1E-99999999999999999999999", Err(NumberError::Underflow)),
    ];
    for (text, expected) in cases {
        assert_eq!(Number::parse(text).map(|number| number.to_string()), expected, "{text}");
    }
    for text in
        ["", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "--1", " 1", "1 ", "1_0", "0x1", "NaN", "Infinity", "١"]
    {
        assert_eq!(Number::parse(text), Err(NumberError::NotANumber), "{text}");
    }
}

#[test]
fn sizes_count_base_100_digits() {
    let cases = [
        ("0", 1),
        ("1", 2),
        ("-1", 3),
        ("99", 2),
        ("100", 2),
        ("123", 3),
        ("1.2", 3),
        ("12", 2),
        ("0.01", 2),
        ("0.001", 2),
        ("1E125", 2),
        ("10.01", 3),
        ("12345678901234567890123456789012345678", 20),
        ("-1234567890123456789012345678901234567.8", 21),
    ];
    for (text, size) in cases {
        assert_eq!(Number::parse(text).unwrap().size(), size, "{text}");
    }
}

/// Both encodings are on disk: a change here is a new format version.
#[test]
fn encodings_stay_what_they_are() {
    let check = |text: &str, ordered: &[u8], compact: &[u8]| {
        let number = Number::parse(text).unwrap();
        let (mut written_ordered, mut written_compact) = (Vec::new(), Vec::new());
        number.encode_ordered(&mut written_ordered);
        number.encode_compact(&mut written_compact);
        assert_eq!((written_ordered.as_slice(), written_compact.as_slice()), (ordered, compact), "{text}");
    };
    check("0", &[2], &[0]);
    check("1", &[3, 130, 11, 0], &[1, 0, 1]);
    check("-1", &[1, !130, !11, !0], &[0x81, 0, 1]);
    check("123.4", &[3, 132, 13, 35, 0], &[2, 1, 0xd2, 0x04]);
    check("1E125", &[3, 255, 11, 0], &[1, 0xfa, 1, 1]);
    check("1E-130", &[3, 0, 11, 0], &[1, 0x83, 2, 1]);
}
