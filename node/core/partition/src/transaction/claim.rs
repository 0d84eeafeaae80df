//! A request token's claim: an item of [`SystemTable::RequestTokens`] that says what is asked for under the token, wherever its
//! transaction lies.

use super::{REQUEST_AGE_MS_MAX, RequestToken};
use crate::command::{Put, WriteOptions};
use bytes::Bytes;
use stator_catalog::SystemTable;
use stator_expression::{Comparator, Condition, Operand, Path, Test};
use stator_item::{Item, Key, KeyPart, Number, Value, row::item_encoding};

/// How much longer than the token of a decided transaction its claim stands, in milliseconds: a claim is made before the decision,
/// and by another node's clock. Requests have seconds, and clocks that are a minute apart are broken.
const LONGER_MS: u64 = 60_000;

/// The attribute with the hash of what is asked for.
const PAYLOAD: &str = "p";

impl RequestToken {
    /// The write that claims the token. Its condition fails exactly if something else was asked for under it, lately.
    pub fn claim(&self, now_ms: u64) -> Put {
        let hash = KeyPart::String(self.token.clone());
        let payload = Value::Binary(Bytes::copy_from_slice(&self.payload.to_be_bytes()));
        let seconds = |ms: u64| Value::Number(Number::from_u64(ms / 1_000));
        let attribute = |name: &str| Operand::Path(Path::attribute(name));
        let is_free = Condition::test(Test::NotExists(Path::attribute(SystemTable::HASH)));
        let is_same =
            Condition::test(Test::Compare(Comparator::Equal, attribute(PAYLOAD), Operand::Value(payload.clone())));
        // It may have expired and still be there.
        let is_over = Condition::test(Test::Compare(
            Comparator::Less,
            attribute(SystemTable::EXPIRES),
            Operand::Value(seconds(now_ms)),
        ));
        let item = Item::from([
            (SystemTable::HASH.to_owned(), Value::String(self.token.clone())),
            (PAYLOAD.to_owned(), payload),
            (SystemTable::EXPIRES.to_owned(), seconds(now_ms.saturating_add(REQUEST_AGE_MS_MAX + LONGER_MS))),
        ]);
        Put {
            key: Key { hash, range: None },
            item: item_encoding(&item).into(),
            options: WriteOptions { condition: Some(is_free.or(is_same).or(is_over)), ..WriteOptions::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_item::row::decode_item;

    /// What stands under the token after requests of these payloads at these moments; a payload that is refused changes nothing.
    fn taken(requests: &[(u128, u64)]) -> Vec<bool> {
        let mut item = Item::new();
        let claim = |&(payload, now_ms): &(u128, u64)| {
            let put = RequestToken { token: "token".to_owned(), payload }.claim(now_ms);
            let is_taken = put.options.condition.expect("claims are conditional").evaluate(&item);
            if is_taken {
                item = decode_item(&put.item).expect("it was just encoded");
            }
            is_taken
        };
        requests.iter().map(claim).collect()
    }

    #[test]
    fn a_token_is_its_first_payloads_for_ten_minutes() {
        let over = REQUEST_AGE_MS_MAX + LONGER_MS + 1_000;
        assert_eq!(taken(&[(1, 0), (2, 0), (1, 5), (2, REQUEST_AGE_MS_MAX)]), [true, false, true, false]);
        assert_eq!(taken(&[(1, 0), (2, over), (1, over)]), [true, true, false]);
        // A repeat that may still be carried out is remembered from then on.
        assert_eq!(taken(&[(1, 0), (1, over - 5_000), (2, over), (2, 2 * over)]), [true, true, false, true]);
    }
}
