//! One direction of one connection: pieces go on in their order, each when the rules let it.

use super::{Pair, Shared};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::mpsc,
    time::Instant,
};

const PIECE_BYTES: usize = 16 << 10;
/// Pieces on their way; then the sender feels it, as with a full pipe.
const PIECES_MAX: usize = 64;
/// What TCP waits before it sends something again, at least.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

type Piece = (Instant, Vec<u8>);

/// Carries bytes until one side ends.
pub(super) async fn pump(
    shared: Arc<Shared>,
    pair: Option<Pair>,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let reading = take_in(shared.clone(), pair, from, sender);
    let writing = hand_on(shared, pair, receiver, to);
    let (read, written) = tokio::join!(reading, writing);
    read.and(written)
}

async fn take_in(
    shared: Arc<Shared>,
    pair: Option<Pair>,
    mut from: OwnedReadHalf,
    pieces: mpsc::Sender<Piece>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let piece = buffer.get(..length).unwrap_or_default().to_vec();
        if pieces.send((Instant::now() + lateness(&shared, pair), piece)).await.is_err() {
            return Ok(());
        }
    }
}

fn lateness(shared: &Shared, pair: Option<Pair>) -> Duration {
    let rule = shared.rule(pair);
    let mut late = rule.delay;
    if !rule.jitter.is_zero() {
        late += rule.jitter.mul_f64(shared.dice.below(1_000) as f64 / 1_000.0);
    }
    let mut repeat = REPEAT_AFTER;
    // What is sent again may be lost again.
    while shared.dice.below(1_000) < u64::from(rule.lost_per_mille.min(900)) {
        shared.effect().lost_pieces += 1;
        late += repeat;
        repeat *= 2;
    }
    if !late.is_zero() {
        shared.effect().delayed_pieces += 1;
    }
    late
}

async fn hand_on(
    shared: Arc<Shared>,
    pair: Option<Pair>,
    mut pieces: mpsc::Receiver<Piece>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some((due, piece)) = pieces.recv().await {
        tokio::time::sleep_until(due).await;
        if shared.rule(pair).cut {
            shared.effect().held_bytes += piece.len() as u64;
            shared.passable(pair).await;
        }
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}
