//! How does a report read? Pure: a report becomes text, and hostile text becomes harmless.

#[cfg(test)]
pub(crate) mod fixture;
