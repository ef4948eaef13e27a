use super::super::support::world::World;
use super::shop;

#[test]
fn names_of_sets_are_offered() {
    let world = World::new();
    shop(&world);
    let offered = |words: &[&str]| {
        let args: Vec<&str> = ["--", "nexus"].iter().chain(words).copied().collect();
        let mut command = world.command(&args);
        command.env("NEXUS_COMPLETE", "bash").env("_NEXUS_INDEX", words.len().to_string());
        command.env("_NEXUS_REPLACED", words.last().unwrap());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_eq!(offered(&["migrate", "set", "show", "s"]).trim_end(), "shop");
    assert_eq!(offered(&["migrate", "lint", ""]).lines().filter(|it| !it.starts_with('-')).count(), 2);
}
