// When a resource is registered, tried again and given up.
// SPDX-License-Identifier: Apache-2.0
#include "node/registrar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/fake_loop.h"
#include "node/fake_report.h"

namespace rendercar::node {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::ElementsAre;

// Counts calls and answers the latest when told to.
class FakeClient final : public RegistrationClient {
 public:
  void Register(const std::string&, const std::string&,
                absl::AnyInvocable<void(absl::Status)> done) override {
    ++calls;
    done_ = std::move(done);
  }
  void Answer(const absl::Status& status) { std::exchange(done_, nullptr)(status); }
  absl::AnyInvocable<void(absl::Status)> Take() { return std::move(done_); }

  int calls = 0;

 private:
  absl::AnyInvocable<void(absl::Status)> done_;
};

class RegistrarTest : public ::testing::Test {
 protected:
  FakeLoop loop_;
  FakeClient client_;
  FakeReport report_;
  Registrar registrar_{loop_, client_, report_, "rendercar.dev/render", "plugin.sock"};
};

TEST_F(RegistrarTest, is_registered_when_the_kubelet_says_yes) {
  registrar_.Start();
  EXPECT_FALSE(registrar_.registered());
  client_.Answer(absl::OkStatus());
  EXPECT_TRUE(registrar_.registered());
  EXPECT_THAT(report_.events, ElementsAre("tried OK", "registered"));
}

TEST_F(RegistrarTest, tries_again_soon_and_then_more_slowly) {
  registrar_.Start();
  client_.Answer(absl::UnavailableError("refused"));
  loop_.Advance(49ms);
  EXPECT_EQ(client_.calls, 1);
  loop_.Advance(1ms);
  EXPECT_EQ(client_.calls, 2);
  client_.Answer(absl::UnavailableError("refused"));
  loop_.Advance(99ms);
  EXPECT_EQ(client_.calls, 2);
  loop_.Advance(1ms);
  EXPECT_EQ(client_.calls, 3);
}

TEST_F(RegistrarTest, never_waits_longer_than_the_last_retry) {
  registrar_.Start();
  for (int i = 0; i < 20; ++i) {
    client_.Answer(absl::UnavailableError("refused"));
    loop_.Advance(Registrar::kLastRetry);
  }
  EXPECT_EQ(client_.calls, 21);
}

TEST_F(RegistrarTest, stops_trying_when_the_kubelet_is_gone) {
  registrar_.Start();
  client_.Answer(absl::UnavailableError("refused"));
  registrar_.Lose("kubelet.sock was removed");
  loop_.Advance(10s);
  EXPECT_EQ(client_.calls, 1);
}

TEST_F(RegistrarTest, an_answer_of_an_earlier_kubelet_counts_for_nothing) {
  registrar_.Start();
  auto old_answer = client_.Take();
  registrar_.Lose("kubelet.sock was removed");
  old_answer(absl::OkStatus());
  EXPECT_FALSE(registrar_.registered());
}

TEST_F(RegistrarTest, registers_again_when_the_kubelet_is_replaced) {
  registrar_.Start();
  client_.Answer(absl::OkStatus());
  registrar_.Start();
  EXPECT_FALSE(registrar_.registered());
  client_.Answer(absl::OkStatus());
  EXPECT_TRUE(registrar_.registered());
  EXPECT_THAT(report_.events,
              ElementsAre("tried OK", "registered", "lost", "tried OK", "registered"));
}

TEST_F(RegistrarTest, a_late_answer_after_its_end_is_harmless) {
  absl::AnyInvocable<void(absl::Status)> answer;
  {
    Registrar gone(loop_, client_, report_, "rendercar.dev/render", "plugin.sock");
    gone.Start();
    answer = client_.Take();
  }
  answer(absl::OkStatus());
  EXPECT_THAT(report_.events, ElementsAre());
}

}  // namespace
}  // namespace rendercar::node
