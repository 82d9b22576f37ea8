# SPDX-License-Identifier: Apache-2.0
# The group core with one rule taken out, each a line of its source replaced; the linker finds the mutated file before the room's own.
# group_mutant(NAME FILE FROM TO [SEED]): FROM must be in broker/groups/FILE exactly once, so a mutant cannot outlive the rule it breaks. The search begins at
# SEED (1): further on where what betrays the mutant is rare, so that the test is short.
function(group_mutant name file from to)
  set(seed 1 ${ARGN})
  list(GET seed -1 seed)
  set(path ${CMAKE_SOURCE_DIR}/broker/groups/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(READ ${path} text)
  string(REPLACE "${from}" "" without "${text}")
  string(LENGTH "${text}" whole)
  string(LENGTH "${without}" rest)
  string(LENGTH "${from}" once)
  math(EXPR removed "${whole} - ${rest}")
  if(NOT removed EQUAL once)
    message(FATAL_ERROR "group mutant ${name}: its line is not in ${file} exactly once")
  endif()
  string(REPLACE "${from}" "${to}" mutated "${text}")
  file(CONFIGURE OUTPUT mutants/${name}.cc CONTENT "${mutated}" @ONLY)
  add_executable(group_campaign_${name} $<TARGET_OBJECTS:group_campaign_main> ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}.cc)
  target_compile_options(group_campaign_${name} PRIVATE -Wno-unused -Wno-unused-parameter)
  target_link_libraries(group_campaign_${name} PRIVATE cordwood_group_model)
  add_test(NAME group_campaign_catches_${name} COMMAND group_campaign_${name} --seed ${seed} --rounds 20000 --expect-violation)
  set_tests_properties(group_campaign_catches_${name} PROPERTIES TIMEOUT 300)
endfunction()

# What a member was to give up is free before it says so.
group_mutant(no_wait_for_release group_reconciliation.cc
  [=[if (held.revoking && !kept.contains(at)) freed]=] [=[if (held.revoking) freed]=])
# A heartbeat from before the target gives up what it does not name.
group_mutant(old_heartbeat_releases group_core.cc
  [=[if (event.epoch < current.epoch) return;]=] [=[]=])
# Two targets may have one epoch.
group_mutant(epoch_used_twice group_reconciliation.cc
  [=[if (at.current.epoch >= state_.header().group_epoch) Advance();]=] [=[]=])
# Members hear of their target while its records may still be lost.
group_mutant(told_before_durable group_reconciliation.cc
  [=[Say(std::move(target));]=] [=[Say(std::move(target), false);]=])
# Whoever had a partition once commits for it as long as it has it again.
group_mutant(commit_of_an_earlier_tenure group_offsets.cc
  [=[if (epoch < mine->second.since) {]=] [=[if (false) {]=] 2800)
# Any member commits for any partition.
group_mutant(commit_of_a_stranger group_offsets.cc
  [=[if (mine == held.end()) return refuse(Reason::kStaleMemberEpoch, absl::StrCat("member ", member, " does not own it"));]=]
  [=[if (mine == held.end()) return absl::OkStatus();]=])
# A commit under an epoch below the present one is refused, though its partition never moved (KIP-848 as it first was).
group_mutant(commit_under_way_is_lost group_offsets.cc
  [=[commit.epoch > known->current.epoch) {]=] [=[commit.epoch != known->current.epoch) {]=])
# A reset does not refuse the commits from before it.
group_mutant(reset_without_fence group_offsets.cc
  [=[if (entry.position_epoch < position_epoch) {]=] [=[if (false) {]=])
# Owners do not hear of a reset.
group_mutant(reset_untold group_offsets.cc
  [=[for (auto& [stream, positions] : told) Say(TellPositions{stream, std::move(positions)});]=] [=[]=])
# An older incarnation attaches again after a newer one.
group_mutant(zombie_resumes group_core.cc
  [=[if (join.epoch < known.record.joined_epoch) return fenced("was replaced by a newer incarnation");]=] [=[]=] 400)
# Two members with one instance id.
group_mutant(instance_twice group_core.cc
  [=[if (!holder.empty()) return Succeed(join, holder);]=] [=[]=])
# The slot's successor starts at an epoch that its predecessor was told.
group_mutant(successor_at_the_old_epoch group_core.cc
  [=[  Advance();
  Insert(join);]=] [=[  Insert(join);]=])
# A silent member stays for ever.
group_mutant(silence_unnoticed group_timeouts.cc
  [=[Remove(member, Refusal(Reason::kFencedMemberEpoch, change), change);
}

void GroupCore::ArmRevocation]=] [=[}

void GroupCore::ArmRevocation]=])
# A timer that fires early fences.
group_mutant(fenced_too_early group_timeouts.cc
  [=[if (sessions_.at(member).deadline_ms > now_.monotonic_ms) return ArmSession(member);]=] [=[]=])
# Who does not give up in time is not fenced.
group_mutant(kept_too_long group_timeouts.cc
  [=[  if (late == session.revocations.end()) return ArmRevocation(member);]=] [=[  if (true) return ArmRevocation(member);]=])
# A restarted coordinator waits for nobody.
group_mutant(restart_without_timers group_core.cc
  [=[    ArmSession(id);
    ArmRevocation(id);]=] [=[    ArmRevocation(id);]=])
# What is given up is not in the log.
group_mutant(release_unrecorded group_state.cc
  [=[  holders_.erase(at);
  Touch(GroupRecordKind::kCurrent, member);]=] [=[  holders_.erase(at);]=])
# What is free is not handed on.
group_mutant(nothing_handed_over group_reconciliation.cc
  [=[for (const std::string& member : next) Reconcile(member, reason);]=] [=[]=])
# The new target forgets the old one.
group_mutant(not_sticky group_reconciliation.cc
  [=[member.current = PresentOf(id);]=] [=[]=])
# The remainder goes to those who have least.
group_mutant(needless_moves assignor_uniform.cc
  [=[return held[a] > held[b];]=] [=[return held[a] < held[b];]=])
# Where subscriptions differ, shares stay as they fell.
group_mutant(unbalanced uniform_flow.cc
  [=[  MoveDirectly();
  if (subscriptions_.size() > exact_max) return;]=] [=[  return;]=])
# A topic that grows is not noticed.
group_mutant(growth_unnoticed group_reconciliation.cc
  [=[if (was != nullptr && now != nullptr && !(*was == *now))]=] [=[if (false)]=])
# A replay job gives its members every partition of its topics.
group_mutant(replay_of_everything group_reconciliation.cc
  [=[const bool replay = state_.replay().has_value();]=] [=[const bool replay = false;]=])
# Members of a replay job do not hear where it ends.
group_mutant(replay_end_untold group_reconciliation.cc
  [=[if (range != nullptr) assigned.end = range->to;]=] [=[]=])
# What lies beyond the end of a replay job is committed.
group_mutant(replay_commit_beyond_the_end group_replay.cc
  [=[if (offset >= range->from && offset <= range->to) return absl::OkStatus();]=] [=[if (true) return absl::OkStatus();]=])
# A pause or a cancellation is told to nobody.
group_mutant(replay_change_untold group_replay.cc
  [=[if (!std::exchange(replay_changed_, false)) return;]=] [=[if (true) return;]=])
# A change of a replay job is not in the log.
group_mutant(replay_unrecorded group_state.cc
  [=[  replay_ = std::move(job);
  Touch(GroupRecordKind::kReplay);]=] [=[  replay_ = std::move(job);]=])
# That the last partition of a replay job has reached its end is not noticed.
group_mutant(replay_end_unnoticed group_offsets.cc
  [=[      NoteReplay(entry.at);
    }
    done.entries]=] [=[    }
    done.entries]=])
