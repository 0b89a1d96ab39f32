//! Where each setting's value comes from, so that code beats the URL, the URL beats the environment, and the environment beats
//! the preset.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Settings;
use super::overlay::Overlay;
use super::table::{MAX_POOL_SIZE, ROWS, Row};
use crate::base::log::say;
use crate::error::Error;

/// From the weakest to the strongest. The preset is weaker than all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Environment,
    Url,
    Code,
}

#[derive(Clone)]
struct Origin {
    source: Source,
    /// Where the user wrote it. A setter of [`Settings`] has no place.
    written: Option<Given>,
}

/// A setting in an error: its name, and the place where it was given, if that was not code.
#[derive(Clone)]
pub(super) struct Given {
    name: String,
    place: Option<String>,
}

impl Given {
    pub(super) fn refused(&self, value: impl fmt::Display, expected: impl fmt::Display) -> Error {
        match &self.place {
            Some(place) => Error::setting_in(place, &self.name, value, expected),
            None => Error::setting(&self.name, value, expected),
        }
    }

    /// `pool_size 5 in DB_POOL_SIZE`.
    pub(super) fn with(&self, value: impl fmt::Display) -> String {
        let name = &self.name;
        match &self.place {
            Some(place) => format!("{name} {value} in {place}"),
            None => format!("{name} {value}"),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Provenance {
    /// By the rows' paths. What is not in here comes from the preset.
    origins: BTreeMap<&'static str, Origin>,
    /// The values before code assigned to any field: one that differs now was assigned. `None` only inside a base itself.
    base: Option<Arc<Settings>>,
    /// Of the environment, for a pool that code gives no name.
    pool_name: Option<Arc<str>>,
}

/// Always equal, because two [`Settings`] are equal if their values are, wherever those came from.
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
    /// From here on, a field that changes has been changed in code.
    pub(super) fn into_preset(mut self) -> Self {
        self.provenance = Provenance::default();
        self.rebased()
    }

    fn rebased(mut self) -> Self {
        self.provenance.base = None;
        self.provenance.base = Some(Arc::new(self.clone()));
        self
    }

    /// Every part of the field counts as set in code, even one that keeps its value.
    pub(super) fn mark_as_code(&mut self, field: &str) {
        for row in ROWS {
            if row.path.split('.').next() == Some(field) {
                self.mark_row(row, Source::Code, None);
            }
        }
    }

    /// It counts as set in code, even if it keeps its value.
    #[cfg(feature = "serde")]
    pub(super) fn mark_as_given(&mut self, row: &Row) {
        self.mark_row(row, Source::Code, None);
    }

    fn mark_row(&mut self, row: &Row, source: Source, written: Option<Given>) {
        let origin = Origin { source, written };
        self.provenance.origins.insert(row.path, origin);
    }

    fn was_assigned(&self, row: &Row) -> bool {
        self.provenance
            .base
            .as_deref()
            .is_some_and(|base| !(row.same)(base, self))
    }

    /// Takes each setting that the overlay gives, unless a stronger source than `source` has set it.
    pub(super) fn overlaid(mut self, overlay: &Overlay, source: Source) -> Self {
        for row in ROWS {
            if self.was_assigned(row) {
                self.mark_row(row, Source::Code, None);
            }
            let present = self.provenance.origins.get(row.path);
            let is_stronger = present.is_some_and(|origin| origin.source > source);
            let Some(written) = overlay.given(row) else {
                continue;
            };
            if is_stronger {
                if source == Source::Environment && !(row.same)(&self, overlay.values()) {
                    let (name, place) = (row.name, &written.place);
                    say!(Info, "queuepool", "{place} is not used: code sets {name}");
                }
            } else {
                (row.copy)(overlay.values(), &mut self);
                // The value is not what max_pool_size was set to, but what follows from it.
                let name = match written.name == MAX_POOL_SIZE {
                    true => row.name.to_owned(),
                    false => written.name.clone(),
                };
                let place = Some(written.place.clone());
                self.mark_row(row, source, Some(Given { name, place }));
            }
        }
        if let Some(name) = overlay.pool_name() {
            self.provenance.pool_name = Some(Arc::from(name));
        }
        self.rebased()
    }

    /// The name that the environment gives to the pool.
    pub(crate) fn pool_name(&self) -> Option<&str> {
        self.provenance.pool_name.as_deref()
    }

    /// The strongest that has named the setting; `None` if only the preset has. To be asked after [`overlaid`](Settings::overlaid).
    pub(super) fn source_of(&self, path: &str) -> Option<Source> {
        let origin = self.provenance.origins.get(path)?;
        Some(origin.source)
    }

    /// For an error: the setting by the name under which it was given, and where.
    pub(super) fn given(&self, path: &str) -> Given {
        let was_assigned = ROWS
            .iter()
            .any(|row| row.path == path && self.was_assigned(row));
        match self.provenance.origins.get(path) {
            Some(Origin {
                written: Some(written),
                ..
            }) if !was_assigned => written.clone(),
            _ => Given {
                name: path.to_owned(),
                place: None,
            },
        }
    }
}
