//! Faults between nodes, and between a node and its clients.

use super::{Fault, Who, named};
use crate::{
    cluster::{Cluster, Trouble},
    dice::Dice,
    error::Error,
};
use stator_workloads::client::BoxFuture;
use std::time::{Duration, Instant};

type Pairs = Vec<(usize, usize)>;

/// Which way between whom is cut.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    Off(Who),
    OneWay,
    Bridge,
}

#[derive(Clone, Copy)]
enum Shape {
    Cut(Cut),
    Everywhere(Trouble),
    Flap,
}

/// Cuts, delay, loss.
pub(super) struct Network {
    shape: Shape,
    said: String,
    effect: Option<String>,
}

impl Network {
    pub fn cut(cut: Cut) -> Network {
        Network::with(Shape::Cut(cut))
    }

    pub fn of(trouble: Trouble) -> Network {
        Network::with(Shape::Everywhere(trouble))
    }

    pub fn flap() -> Network {
        Network::with(Shape::Flap)
    }

    fn with(shape: Shape) -> Network {
        Network { shape, said: String::new(), effect: None }
    }

    /// Words, and who does not reach whom.
    fn cut_pairs(cut: Cut, cluster: &Cluster, dice: &Dice) -> (String, Pairs) {
        let members = cluster.members();
        let others = |place: usize| members.iter().copied().filter(move |other| *other != place);
        let off = |place: usize| others(place).flat_map(move |other| [(place, other), (other, place)]).collect();
        match cut {
            Cut::Off(who) => {
                let place = who.choose_one(cluster, dice);
                (format!("{} is cut off from all others", named(&[place])), off(place))
            }
            Cut::OneWay => {
                let place = Who::Leader.choose_one(cluster, dice);
                if dice.below(2) == 0 {
                    let pairs = others(place).map(|other| (place, other)).collect();
                    (format!("{} is heard by no other", named(&[place])), pairs)
                } else {
                    (format!("{} hears no other", named(&[place])), others(place).map(|other| (other, place)).collect())
                }
            }
            Cut::Bridge => match dice.pick_some(&members, 2)[..] {
                [one, other] => {
                    (format!("{} do not hear each other", named(&[one, other])), vec![(one, other), (other, one)])
                }
                _ => ("nobody is cut off".to_owned(), Vec::new()),
            },
        }
    }

    async fn flap_for_a_while(&mut self, cluster: &mut Cluster, dice: &Dice) -> Result<(), Error> {
        let (said, pairs) = Network::cut_pairs(Cut::Off(Who::One), cluster, dice);
        self.said = format!("{said}, again and again");
        let end = Instant::now() + dice.between(Duration::from_secs(5), Duration::from_secs(10));
        while Instant::now() < end {
            cluster.trouble(Trouble::Cut, &pairs)?;
            tokio::time::sleep(dice.between(Duration::from_millis(100), Duration::from_millis(1_500))).await;
            cluster.heal_network()?;
            tokio::time::sleep(dice.between(Duration::from_millis(100), Duration::from_millis(1_000))).await;
        }
        Ok(())
    }
}

/// Heals the network, and tells what its trouble did.
fn healed(cluster: &mut Cluster) -> Result<Option<String>, Error> {
    cluster.heal_network()?;
    Ok(cluster.network_effect())
}

impl Fault for Network {
    fn describe(&self) -> String {
        self.said.clone()
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // What earlier trouble did proves nothing here.
            cluster.network_effect();
            match self.shape {
                Shape::Cut(cut) => {
                    let (said, pairs) = Network::cut_pairs(cut, cluster, dice);
                    self.said = said;
                    cluster.trouble(Trouble::Cut, &pairs)
                }
                Shape::Everywhere(trouble) => {
                    let members = cluster.members();
                    let pairs: Pairs = members
                        .iter()
                        .flat_map(|from| members.iter().map(|to| (*from, *to)))
                        .filter(|(a, b)| a != b)
                        .collect();
                    self.said = match trouble {
                        Trouble::Delay { ms } => format!("what nodes send to each other takes {ms} to {} ms", 2 * ms),
                        Trouble::Loss => "a fifth of what nodes send to each other is lost and sent again".to_owned(),
                        Trouble::Cut => "no node hears any other".to_owned(),
                    };
                    cluster.trouble(trouble, &pairs)
                }
                Shape::Flap => self.flap_for_a_while(cluster, dice).await,
            }
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.effect = healed(cluster)?;
            Ok(())
        })
    }

    fn proof(&self) -> Option<String> {
        self.effect.clone()
    }

    fn stands(&self, dice: &Dice) -> Duration {
        match self.shape {
            Shape::Flap => Duration::ZERO,
            _ => dice.between(Duration::from_secs(3), Duration::from_secs(8)),
        }
    }
}

/// A node does all that it is asked for, and nobody hears of it.
#[derive(Default)]
pub(super) struct LostReply {
    place: usize,
    effect: Option<String>,
}

impl Fault for LostReply {
    fn describe(&self) -> String {
        format!("what node {} answers to clients is lost", self.place + 1)
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            cluster.network_effect();
            self.place = Who::One.choose_one(cluster, dice);
            cluster.lose_replies(self.place);
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.effect = healed(cluster)?;
            Ok(())
        })
    }

    fn proof(&self) -> Option<String> {
        self.effect.clone()
    }
}
