//! The layers of configuration as a command meets them (U-11).

use crate::{
    args::Context,
    commands::run::show_faults,
    failure::{Exit, Failure},
    place::Place,
};
use skep_core::spec::{Plan, Policy};
use skep_server::{
    http,
    plan::layers::{LayerError, LayerFile, Layers, Places, Stated},
};
use std::collections::BTreeMap;

/// Where this process's environment says that things are.
pub(crate) fn places() -> Places {
    Places::of(std::env::vars_os())
}

/// The layers here, with what `--set` says, and the files that they come from.
pub(crate) fn find(place: &Place, set: &[String]) -> Result<(Layers, Vec<LayerFile>), Failure> {
    let (mut layers, files) = Layers::find(place.repo.root(), &places())?;
    layers.set(set)?;
    Ok((layers, files))
}

/// Reads a plan with all layers; everything wrong with it, or with the first layer that has a fault, is shown.
pub(crate) fn read_plan(
    ctx: &Context,
    place: &Place,
    (name, bytes): (&str, &[u8]),
    set: &[String],
) -> Result<Plan, Failure> {
    let (layers, _) = find(place, set)?;
    let options = http::options(place.repo.root());
    let plan = layers.read_plan(name, bytes, None, &options);
    plan.map_err(|faults| show_faults(ctx, &faults))
}

/// The numbers for a plan that says nothing of them, and where they come from.
pub(crate) fn policy(
    ctx: &Context,
    place: &Place,
) -> Result<(Policy, BTreeMap<String, String>), Failure> {
    let (layers, _) = find(place, &[])?;
    let options = http::options(place.repo.root());
    layers
        .policy(&options)
        .map_err(|faults| show_faults(ctx, &faults))
}

/// What each layer says, by key.
pub(crate) fn stated(
    ctx: &Context,
    place: &Place,
) -> Result<BTreeMap<String, Vec<Stated>>, Failure> {
    let (layers, _) = find(place, &[])?;
    let options = http::options(place.repo.root());
    layers
        .stated(&options)
        .map_err(|faults| show_faults(ctx, &faults))
}

impl From<LayerError> for Failure {
    fn from(error: LayerError) -> Failure {
        let hint = error.hint();
        Failure::new(Exit::Usage, error.to_string())
            .because(&error)
            .hint(hint)
    }
}
