//! What an operator may choose about storage, and how the memory is shared out.

/// When an append is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// When the disk has it (fdatasync).
    #[default]
    Strict,
    /// When the operating system has it: a crash of the machine may lose acknowledged writes. Votes are synced all the
    /// same, or a node could vote twice.
    Relaxed,
}

/// Settings of a node's storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Memory that the whole node may use, in bytes. Half of it becomes the block cache, in which the write buffers count
    /// (an eighth of the memory, at most 512 MB), and a sixty-fourth (at most 64 MB) keeps the latest log entries.
    pub memory_bytes: u64,
    pub durability: Durability,
    /// Size of a log segment's file, which is reserved on disk when the segment is begun. Default 64 MB.
    pub segment_bytes: u64,
    /// Threads that flush and compact rows in the background. Default 2.
    pub background_threads: u32,
}

const MIB: u64 = 1 << 20;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            memory_bytes: 1024 * MIB,
            durability: Durability::Strict,
            segment_bytes: 64 * MIB,
            background_threads: 2,
        }
    }
}

impl Settings {
    /// Blocks of table files, their indexes and filters, and the write buffers, together.
    pub fn cache_bytes(&self) -> usize {
        bytes((self.memory_bytes / 2).max(8 * MIB))
    }

    /// Rows that wait for a flush.
    pub fn write_buffer_bytes(&self) -> usize {
        bytes((self.memory_bytes / 8).clamp(2 * MIB, 512 * MIB))
    }

    /// Log entries that are kept in memory after they were written: followers and apply read them right away.
    pub fn recent_entries_bytes(&self) -> usize {
        bytes((self.memory_bytes / 64).clamp(MIB, 64 * MIB))
    }
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
