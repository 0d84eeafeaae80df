use super::*;
use proptest::prelude::*;

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let counter = prop_oneof![0..3_u32, Just(u32::MAX), any::<u32>()];
    (prop_oneof![0..3_u64, 0..u64::MAX], counter, 0..4_u32).prop_map(|(wall_ms, counter, node)| Timestamp {
        wall_ms,
        counter,
        node,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn next_is_later_and_not_behind_the_clock(before in timestamp(), wall_ms in prop_oneof![0..3_u64, 0..u64::MAX], node in 0..4_u32) {
        let next = before.next(wall_ms, node);
        prop_assert!(next > before);
        prop_assert!(next.physical_ms() >= wall_ms);
        prop_assert!(next.physical_ms() <= wall_ms.max(before.wall_ms + 1));
        prop_assert_eq!(next.node, node);
    }

    #[test]
    fn bytes_are_ordered_as_timestamps_are(left in timestamp(), right in timestamp()) {
        prop_assert_eq!(left.to_bytes().cmp(&right.to_bytes()), left.cmp(&right));
        prop_assert_eq!(Timestamp::from_bytes(left.to_bytes()), left);
    }
}

#[test]
fn bytes_stay_what_they_are() {
    let timestamp = Timestamp { wall_ms: 0x0102_0304_0506_0708, counter: 9, node: 10 };
    assert_eq!(timestamp.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 10]);
}
