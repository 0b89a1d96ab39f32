//! The one table of all settings as they are written: what each is called, and how it is read, printed and compared.

use super::value::{
    Count, CountFromOne, CountOrOff, Delay, Form, Multiplier, Overflow, Percentage, Ping, PoolMode,
    PoolRole, PoolSize, Query, Reset, Share, Switch, Time, TimeOrNever, TimeOrOff,
};
use super::{Retry, Settings};

/// One setting as it is written.
pub(super) struct Row {
    /// Its name in a URL. In the environment it is the same in upper case, after a prefix.
    pub(super) name: &'static str,
    /// The field of [`Settings`], such as `timeout` or `retry.max_attempts`.
    pub(super) path: &'static str,
    /// What follows "expected" in the error for a text that does not parse.
    pub(super) expected: &'static str,
    pub(super) parse: fn(&str, &mut Settings) -> Option<()>,
    pub(super) print: fn(&Settings) -> String,
    pub(super) copy: fn(&Settings, &mut Settings),
    pub(super) same: fn(&Settings, &Settings) -> bool,
}

macro_rules! row {
    ($name:literal, $form:ty, $path:expr, $($place:tt)+) => {
        Row {
            name: $name,
            path: $path,
            expected: <$form>::EXPECTED,
            parse: |text, settings| {
                settings.$($place)+ = <$form>::parse(text)?;
                Some(())
            },
            print: |settings| <$form>::print(&settings.$($place)+),
            copy: |from, to| to.$($place)+ = from.$($place)+.clone(),
            same: |one, other| one.$($place)+ == other.$($place)+,
        }
    };
}

macro_rules! rows {
    (
        Settings {
            $($field:ident: $form:ty = $name:literal,)*
        }
        $group:ident: $group_type:ident {
            $($part:ident: $part_form:ty = $part_name:literal,)*
        }
    ) => {
        pub(super) static ROWS: &[Row] = &[
            $(row!($name, $form, stringify!($field), $field),)*
            $(row!($part_name, $part_form, concat!(stringify!($group), ".", stringify!($part)), $group.$part),)*
        ];

        // Does not compile if a field has no row.
        const _: fn(&Settings) = |settings| {
            let Settings {
                $($field: _,)*
                $group: $group_type { $($part: _,)* },
                provenance: _,
            } = settings;
        };
    };
}

rows! {
    Settings {
        pool_size: PoolSize = "pool_size",
        max_overflow: Overflow = "max_overflow",
        timeout: Time = "pool_timeout",
        max_waiting: CountOrOff = "max_waiting",
        outage_timeout: TimeOrOff = "outage_timeout",
        recycle: TimeOrNever = "pool_recycle",
        recycle_jitter: Share = "pool_recycle_jitter",
        pre_ping: Ping = "pool_pre_ping",
        reset_on_return: Reset = "reset_on_return",
        mode: PoolMode = "pool_mode",
        role: PoolRole = "pool_role",
        instances: CountFromOne = "pool_instances",
        connect_timeout: Time = "connect_timeout",
        command_timeout: TimeOrOff = "command_timeout",
        idle_timeout: TimeOrOff = "idle_timeout",
        keepalive: TimeOrOff = "keepalive",
        warm_up: Count = "warm_up",
        min_pool_size: Count = "min_pool_size",
        max_validation_failures: CountFromOne = "max_validation_failures",
        validation_query: Query = "validation_query",
        health_check_interval: Time = "health_check_interval",
        health_check_timeout: Time = "health_check_timeout",
        enable_pool_metrics: Switch = "enable_pool_metrics",
        metrics_collection_interval: Time = "metrics_collection_interval",
        warning_utilization: Percentage = "warning_utilization",
        critical_utilization: Percentage = "critical_utilization",
        leak_after: Time = "leak_after",
        holder_warn_after: TimeOrOff = "holder_warn_after",
        echo: Switch = "echo",
        echo_pool: Switch = "echo_pool",
        require_tls: Switch = "require_tls",
    }
    retry: Retry {
        max_attempts: CountFromOne = "max_retry_attempts",
        initial_delay: Delay = "initial_retry_delay",
        multiplier: Multiplier = "retry_backoff_multiplier",
        max_delay: Delay = "max_retry_delay",
        jitter: Switch = "retry_jitter",
    }
}

/// Not a setting of its own: the sum of pool_size and max_overflow.
pub(super) const MAX_POOL_SIZE: &str = "max_pool_size";

/// Second names, each with the first. `pool_reset_on_return` is SQLAlchemy's.
const ALIASES: [(&str, &str); 2] = [
    ("validate_on_checkout", "pool_pre_ping"),
    ("pool_reset_on_return", "reset_on_return"),
];

/// The setting that has this name where it is written.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    let first = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = first.map_or(name, |(_, first)| first);
    ROWS.iter().find(|row| row.name == name)
}

/// The name that was probably meant by one that is none: a field's own name (`timeout`, for pool_timeout), the same name in
/// another spelling (`poolSize`, `DB_POOL_SIZE`), or one with a slip or two.
///
/// `others` are names beside those of the settings that it may have been. What has a likely meaning here cannot be a password, so
/// an error may repeat it.
pub(crate) fn meant(unknown: &str, others: &[&'static str]) -> Option<&'static str> {
    const LONGEST: usize = 40;
    let is_a_name =
        |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if unknown.len() > LONGEST || !unknown.chars().all(is_a_name) {
        return None;
    }
    let in_words = words(unknown);
    let unknown = letters(unknown);
    let unknown = ["database", "db"]
        .iter()
        .find_map(|prefix| unknown.strip_prefix(prefix))
        .unwrap_or(&unknown);
    // "pool_max_overflow": only some settings have the word in their names.
    let without_pool = unknown.strip_prefix("pool").unwrap_or(unknown);
    let known = ROWS
        .iter()
        .flat_map(|row| {
            let field = row.path.rsplit('.').next().unwrap_or(row.path);
            [row.name, row.path, field].map(|spelling| (row.name, spelling))
        })
        .chain([(MAX_POOL_SIZE, MAX_POOL_SIZE)])
        .chain(ALIASES.map(|(alias, _)| (alias, alias)))
        .chain(others.iter().map(|other| (*other, *other)));
    known
        .map(|(name, spelling)| {
            let is_reordered = words(spelling) == in_words;
            let spelling = letters(spelling);
            let slips = match is_reordered {
                true => 0,
                false => slips(unknown, &spelling).min(slips(without_pool, &spelling)),
            };
            // None in a short name: "node" is a word of its own, and not "mode" with a slip.
            let forgiven = match spelling.len() {
                ..6 => 0,
                6..12 => 1,
                _ => 2,
            };
            (slips, forgiven, name)
        })
        .filter(|(slips, forgiven, _)| slips <= forgiven)
        .min_by_key(|(slips, ..)| *slips)
        .map(|(.., name)| name)
}

/// In alphabetical order: "pool_min_size" is "min_pool_size".
fn words(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let mut words: Vec<String> = name.split(['_', '-', '.']).map(str::to_owned).collect();
    words.sort_unstable();
    words
}

pub(crate) fn letters(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

/// The Levenshtein distance of two ASCII texts: how many letters are missing, too many or wrong.
fn slips(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, wanted) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Whether this is a name that [`Overlay::insert`](super::overlay::Overlay::insert) takes.
pub(super) fn is_name(name: &str) -> bool {
    name == MAX_POOL_SIZE || row(name).is_some()
}
