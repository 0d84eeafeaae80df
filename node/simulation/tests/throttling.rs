//! Tables are held to their capacity, whoever leads.

use stator_simulation::throttling::violations;

#[test]
fn a_throttled_write_has_no_effect_and_a_table_settles_to_its_rate() {
    for seed in 1..=3 {
        assert_eq!(violations(seed), Vec::<String>::new(), "seed {seed}");
    }
}
