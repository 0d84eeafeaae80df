//! How RocksDB is set up.

use crate::settings::Settings;
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, LogLevel, Options, WriteBufferManager};
use stator_environment::Family;

/// Memory that all families share.
pub(crate) struct Budget {
    pub cache: Cache,
    pub write_buffers: WriteBufferManager,
    write_buffer_bytes: usize,
}

impl Budget {
    pub fn new(settings: &Settings) -> Budget {
        let cache = Cache::new_lru_cache(settings.cache_bytes());
        let write_buffer_bytes = settings.write_buffer_bytes();
        // Writers are not stopped when the budget is used up: flushes that begin then are enough to stay near it.
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(write_buffer_bytes, false, cache.clone());
        Budget { cache, write_buffers, write_buffer_bytes }
    }
}

pub(crate) fn database(budget: &Budget, settings: &Settings) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_write_buffer_manager(&budget.write_buffers);
    options.set_max_background_jobs(i32::try_from(settings.background_threads.max(2)).unwrap_or(2));
    // Below the 1024 descriptors that a process may have where nobody raised it; the table cache reopens what it closed.
    options.set_max_open_files(512);
    // Spreads the writing out of table files, or the log's syncs would wait behind a burst.
    options.set_bytes_per_sync(1 << 20);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(3);
    options.set_max_log_file_size(4 << 20);
    options
}

pub(crate) fn family(budget: &Budget, family: Family) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&budget.cache);
    blocks.set_block_size(16 << 10);
    // Indexes and filters count in the cache, or memory would grow with the data.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Changes are read in order and never looked up alone.
    if family != Family::Changes {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    // The write buffer manager decides when to flush; this only keeps one family from using all of it.
    options.set_write_buffer_size(budget.write_buffer_bytes / 2);
    options.set_max_write_buffer_number(4);
    options
}
