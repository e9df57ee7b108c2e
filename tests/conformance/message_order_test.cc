// The message orders of QEMU releases, as recorded (tests/message_orders), replayed: start, pause,
// resume and reset work in each.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/conformance/conformance.h"
#include "tests/frontend/message_replay.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kWidth = 160, kHeight = 120;
constexpr Rect kAll{0, 0, kWidth, kHeight};

class MessageOrderOf : public Conformance, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (IsSkipped()) return;
    const auto order =
        MessageOrder::Read(std::string(RENDERCAR_MESSAGE_ORDERS) + "/" + GetParam() + ".json");
    ASSERT_TRUE(order.ok()) << order.status();
    order_ = *order;
    PowerOn();
    replay_ = std::make_unique<MessageReplay>(&vm().frontend(), &vm().ram());
    Expect(order_.realize, "realize");
    Expect(order_.probe, "probe");
    Expect(order_.start, "start");
  }
  void Expect(const std::vector<uint32_t>& phase, const char* name) {
    const absl::Status sent = replay_->Send(phase);
    EXPECT_TRUE(sent.ok()) << name << " of QEMU " << order_.qemu << ": " << sent;
  }
  // QEMU closes its end of the display first.
  void Stop(const std::vector<uint32_t>& phase, const char* name) {
    vm().frontend().TakeDisplay().reset();
    Expect(phase, name);
  }
  void ShowPicture(uint32_t seed) {
    if (resources_.count(1) == 0) CreateResource(1, kWidth, kHeight);
    Draw(1, TestPicture(kWidth, kHeight, seed));
    EXPECT_EQ(gpu().TypeOf(SetScanout(0, 1, kAll)), VIRTIO_GPU_RESP_OK_NODATA);
    TransferAndFlush(1, kAll);
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, seed)));
  }

  MessageOrder order_;
  std::unique_ptr<MessageReplay> replay_;
};

TEST_P(MessageOrderOf, StartsADriver) {
  ExpectAlive();
  ShowPicture(1);
  EXPECT_THAT(display().state().breaches, testing::IsEmpty());
}

TEST_P(MessageOrderOf, PausesAndResumesWithEverythingShownAgain) {
  ShowPicture(1);
  for (int i = 0; i < 5; ++i) {
    Stop(order_.stop, "stop");
    Expect(order_.start, "start");
    EXPECT_TRUE(display().WaitForPicture(0, TestPicture(kWidth, kHeight, 1)));
  }
  ShowPicture(2);
}

TEST_P(MessageOrderOf, ResetsAndStartsANewDriver) {
  for (uint32_t i = 1; i <= 20; ++i) {
    ShowPicture(i);
    Stop(order_.reset, "reset");
    replay_->ForgetRings();
    gpu().Reset();
    vm().cursor().Reset();
    Expect(order_.probe, "probe");
    Expect(order_.start, "start");
    EXPECT_EQ(gpu().TypeOf(ResourceUnref(1)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    EXPECT_EQ(Stats()[StatsValue::kResources], 0U);
    resources_.clear();
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, MessageOrderOf,
                         testing::Values("qemu-7.2", "qemu-10.0", "qemu-11.1"),
                         [](const auto& order) {
                           std::string name = order.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace rendercar::frontend
