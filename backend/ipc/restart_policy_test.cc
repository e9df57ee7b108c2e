// When a dead renderer may come back.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/restart_policy.h"

#include <gtest/gtest.h>

namespace rendercar::ipc {
namespace {

using std::chrono::milliseconds;

class RestartPolicyTest : public testing::Test {
 protected:
  void Die(bool blamed = false) {
    policy.OnStart(now);
    now += milliseconds(50);
    policy.OnDeath(now, blamed);
  }
  RestartPolicy policy{RestartPolicy::Options{}};
  RestartPolicy::Clock::time_point now{std::chrono::hours(1)};
};

TEST_F(RestartPolicyTest, the_first_death_costs_nothing) {
  Die();
  EXPECT_TRUE(policy.MayStart(now).ok());
}

TEST_F(RestartPolicyTest, repeated_deaths_cost_more_and_more) {
  Die();
  Die();
  EXPECT_TRUE(absl::IsUnavailable(policy.MayStart(now)));
  EXPECT_TRUE(policy.MayStart(now + milliseconds(100)).ok());
  Die();
  EXPECT_FALSE(policy.MayStart(now + milliseconds(199)).ok());
  EXPECT_TRUE(policy.MayStart(now + milliseconds(200)).ok());
}

TEST_F(RestartPolicyTest, the_wait_has_an_upper_bound) {
  for (int i = 0; i < 100; ++i) Die();
  EXPECT_TRUE(policy.MayStart(now + milliseconds(5000)).ok());
}

TEST_F(RestartPolicyTest, a_healthy_life_starts_the_count_anew) {
  Die();
  Die();
  policy.OnStart(now);
  now += milliseconds(10'000);
  policy.OnDeath(now, false);
  EXPECT_TRUE(policy.MayStart(now).ok());
}

TEST_F(RestartPolicyTest, three_deaths_by_a_guest_within_a_minute_turn_3d_off) {
  Die(true);
  Die(true);
  EXPECT_FALSE(policy.off());
  Die(true);
  EXPECT_TRUE(policy.off());
  EXPECT_TRUE(absl::IsUnavailable(policy.MayStart(now + milliseconds(3'600'000))));
}

TEST_F(RestartPolicyTest, three_deaths_by_a_guest_far_apart_do_not) {
  for (int i = 0; i < 10; ++i) {
    Die(true);
    now += milliseconds(31'000);
  }
  EXPECT_FALSE(policy.off());
}

TEST_F(RestartPolicyTest, another_guest_is_not_held_to_account_once_the_deaths_are_old) {
  for (int i = 0; i < 3; ++i) Die(true);
  policy.OnReset(now);
  EXPECT_TRUE(policy.off());  // just now: booting again is no way around the rule
  policy.OnReset(now + milliseconds(60'001));
  EXPECT_FALSE(policy.off());
  EXPECT_TRUE(policy.MayStart(now + milliseconds(60'001)).ok());
}

TEST_F(RestartPolicyTest, what_is_turned_off_for_another_reason_stays_so) {
  for (int i = 0; i < 3; ++i) Die(true);
  policy.TurnOff("the capability sets differ");
  policy.OnReset(now + milliseconds(3'600'000));
  EXPECT_TRUE(policy.off());
}

}  // namespace
}  // namespace rendercar::ipc
