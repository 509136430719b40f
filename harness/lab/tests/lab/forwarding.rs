//! The lab's own translation: a defense comes and goes beside it, and what takes it off is told.

use scandrill_lab::{Forwarding, Lab, install, snapshot};
use scandrill_model::{FORWARDING_TABLE, Loader, Step};

use crate::inside::{Done, Job, within};
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("a_defense_comes_and_goes_beside_the_labs_translation", |_| within(beside())),
    ("a_translation_that_rules_flush_is_missed", |_| within(flushed())),
];

fn nft(text: &str) -> Step {
    Step::Load { loader: Loader::Nft, text: text.to_owned(), origin: "rules".to_owned() }
}

fn translation() -> Step {
    nft(&format!(
        "table inet {FORWARDING_TABLE} {{\n\tchain before {{\n\t\ttype nat hook prerouting priority dstnat\n\
         \t\tip daddr 198.18.0.1 tcp dport 80 dnat ip to 198.18.1.1:80\n\t}}\n}}\n"
    ))
}

async fn beside() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let translating = install(target, &[translation()]).await?;
    assert!(snapshot(target, &[]).await?.is_empty(), "it is no part of a defense");
    let forwarding = Forwarding::read(target).await?;
    let own = "table inet own {\n\tchain input {\n\t\ttype filter hook input priority filter\n\t}\n}\n";
    let defense = install(target, &[nft(own)]).await?;
    assert!(!snapshot(target, &[]).await?.is_empty());
    defense.remove().await?;
    assert!(snapshot(target, &[]).await?.is_empty(), "the defense is off");
    forwarding.check().await?;
    translating.remove().await?;
    lab.remove().await?;
    Ok(())
}

async fn flushed() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let translating = install(target, &[translation()]).await?;
    let forwarding = Forwarding::read(target).await?;
    let defense = install(target, &[nft("flush ruleset\n")]).await?;
    let told = forwarding.check().await.unwrap_err().to_string();
    assert!(told.contains("it was taken off meanwhile"), "{told}");
    defense.remove().await?;
    translating.remove().await?;
    lab.remove().await?;
    Ok(())
}
