//! Where each setting's value comes from, so that code beats the URL, the URL the environment, and that the preset.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Settings;
use super::overlay::Overlay;
use super::table::{ROWS, Row};

/// From the weakest to the strongest; weaker than all is the preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Environment,
    Url,
    Code,
}

#[derive(Clone)]
struct Origin {
    source: Source,
    /// What the user wrote it as, such as DB_POOL_SIZE; nothing for code.
    written_as: Option<String>,
}

#[derive(Clone, Default)]
pub(super) struct Provenance {
    /// By a row's path; what is not in here is the preset's.
    origins: BTreeMap<&'static str, Origin>,
    /// The values before code touched any field: one that differs was assigned. Nothing only inside a base itself.
    base: Option<Arc<Settings>>,
}

/// Two settings are equal when their values are.
impl PartialEq for Provenance {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.origins
                    .iter()
                    .map(|(path, origin)| (path, origin.source)),
            )
            .finish()
    }
}

impl Settings {
    /// From here on, a field that changes was changed in code.
    pub(super) fn into_preset(mut self) -> Self {
        self.provenance = Provenance::default();
        self.rebased()
    }

    fn rebased(mut self) -> Self {
        self.provenance.base = None;
        self.provenance.base = Some(Arc::new(self.clone()));
        self
    }

    /// Every part of the field counts as set in code, also one that kept its value.
    pub(super) fn mark_as_code(&mut self, field: &str) {
        for row in ROWS {
            if row.path.split('.').next() == Some(field) {
                self.mark_row(row, Source::Code, None);
            }
        }
    }

    fn mark_row(&mut self, row: &Row, source: Source, written_as: Option<String>) {
        let origin = Origin { source, written_as };
        self.provenance.origins.insert(row.path, origin);
    }

    fn was_assigned(&self, row: &Row) -> bool {
        self.provenance
            .base
            .as_deref()
            .is_some_and(|base| !(row.same)(base, self))
    }

    /// Takes what the overlay gives, where nothing stronger than `source` has spoken.
    pub(super) fn overlaid(mut self, overlay: &Overlay, source: Source) -> Self {
        for row in ROWS {
            if self.was_assigned(row) {
                self.mark_row(row, Source::Code, None);
            }
            let present = self.provenance.origins.get(row.path);
            let is_stronger = present.is_some_and(|origin| origin.source > source);
            if let Some(written_as) = overlay.written_as(row)
                && !is_stronger
            {
                (row.copy)(overlay.values(), &mut self);
                self.mark_row(row, source, Some(written_as.to_owned()));
            }
        }
        self.rebased()
    }

    /// A setting's name for an error, with what the user wrote it as: `timeout (DB_POOL_TIMEOUT)`.
    pub(super) fn name_of(&self, path: &str) -> String {
        let was_assigned = ROWS
            .iter()
            .any(|row| row.path == path && self.was_assigned(row));
        match self.provenance.origins.get(path) {
            Some(Origin {
                written_as: Some(written_as),
                ..
            }) if !was_assigned => format!("{path} ({written_as})"),
            _ => path.to_owned(),
        }
    }
}
