//! What time it is when the clocks of nodes differ.

/// By what time items expire: the latest that more than half of these clocks have reached. `None`: so few are known, of a
/// cluster of so many nodes, that a wrong one might be taken for all.
pub(crate) fn agreed_ms(mut clocks: Vec<u64>, nodes_count: usize) -> Option<u64> {
    if 2 * clocks.len() < nodes_count {
        return None;
    }
    clocks.sort_unstable();
    clocks.get(clocks.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_the_clocks_agree() {
        for (clocks, nodes_count, agreed) in [
            (vec![5], 1, Some(5)),
            (vec![90, 5], 2, Some(5)),
            (vec![90], 2, Some(90)),
            (vec![90, 5, 6], 3, Some(6)),
            (vec![1, 6, 5], 3, Some(5)),
            (vec![90, 5], 3, Some(5)),
            (vec![90], 3, None),
            (vec![90, 91, 5, 6], 4, Some(6)),
            (vec![90, 91, 5], 5, Some(90)),
            (vec![90, 91], 5, None),
            (vec![], 0, None),
        ] {
            assert_eq!(agreed_ms(clocks.clone(), nodes_count), agreed, "{clocks:?} of {nodes_count}");
        }
    }
}
