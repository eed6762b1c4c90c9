//! The specification finds mutants by itself: R1 alone is judged here, whatever the other checks would find.

use std::ops::Range;

use crate::Property;
use crate::subject::{Mutated, MutatedReplica, Mutation};
use crate::world::{Setup, World, caught};

use super::acceptors::{
    AmnesiacVoter, ForgetfulAcceptor, HastySender, OneBallot, PartialPromise, VectorlessVoter,
};
use super::proposers::OneVoteForTwo;

/// Plays short runs of a mutant until one makes a step that the specification does not have.
fn is_no_refinement<F: Mutation + Default + 'static>(seeds: Range<u64>) {
    for seed in seeds.clone() {
        let mut setup = Setup::drawn(seed);
        setup.mutated = Some(Mutated::by::<F>());
        setup.length.events = 0;
        setup.length.operations = 0;
        let mut world = World::<MutatedReplica>::of(setup).unwrap();
        world.judge_only(Property::R1);
        if let Err(violation) = caught(&mut world, World::play)
            && violation.property == Property::R1
        {
            println!("{violation}");
            return;
        }
    }
    panic!("every step of seeds {seeds:?} is one of the specification");
}

#[test]
fn what_is_sent_before_it_is_durable_is_no_step() {
    is_no_refinement::<HastySender>(0..20);
}

#[test]
fn what_an_acceptor_without_memory_does_is_no_step() {
    is_no_refinement::<AmnesiacVoter>(0..20);
}

#[test]
fn a_vote_that_hides_what_its_acceptor_has_heard_is_no_step() {
    is_no_refinement::<VectorlessVoter>(0..20);
}

#[test]
fn a_promise_that_leaves_out_votes_is_no_step() {
    is_no_refinement::<PartialPromise>(0..20);
}

#[test]
fn a_promise_with_votes_in_other_ballots_is_no_step() {
    is_no_refinement::<OneBallot>(0..20);
}

#[test]
fn a_vote_too_few_is_no_step() {
    is_no_refinement::<OneVoteForTwo>(0..20);
}

#[test]
fn a_vote_below_a_forgotten_promise_is_no_step() {
    is_no_refinement::<ForgetfulAcceptor>(0..20);
}
