// What only the frontend can answer: protocol features, display information, EDIDs.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backend/gpu/display.h"
#include "backend/gpu/edid.h"

namespace rendercar::gpu {
namespace {

constexpr uint64_t kFeatureEdid = uint64_t{1} << wire::VHOST_USER_GPU_PROTOCOL_F_EDID;
constexpr uint64_t kFeatureDmabuf2 = uint64_t{1} << wire::VHOST_USER_GPU_PROTOCOL_F_DMABUF2;

}  // namespace

void Display::SetSocket(UniqueFd socket) {
  ++epoch_;
  negotiated_ = features_unsent_ = frame_open_ = cooling_ = false;
  frame_bytes_ = 0;
  protocol_features_ = 0;
  stats_.Count(StatsValue::kDisplaySockets);
  channel_.Replace(std::move(socket));
  for (Head& head : heads_) {
    head.announced_width = head.announced_height = 0;
    head.dmabuf.StartAnew();
    head.scanout.DamageAll();
    head.cursor.SendAgain();
  }
  channel_.Request(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, {},
                   [this, epoch = epoch_](std::span<const std::byte> payload) {
                     if (epoch == epoch_) OnProtocolFeatures(payload);
                   });
  Pump();
}

void Display::OnProtocolFeatures(std::span<const std::byte> payload) {
  uint64_t offered = 0;
  if (payload.size() == sizeof(offered)) std::memcpy(&offered, payload.data(), sizeof(offered));
  protocol_features_ = offered & (kFeatureEdid | (options_.dmabufs ? kFeatureDmabuf2 : 0));
  negotiated_ = true;
  features_unsent_ = !payload.empty();
  SendFeatures();
  // Those who asked before it was known whether the frontend has EDIDs.
  std::vector<uint64_t> waiting;
  for (const Question& question : questions_) {
    if (question.edid_of) waiting.push_back(question.id);
  }
  for (const uint64_t id : waiting) {
    const auto found = std::find_if(questions_.begin(), questions_.end(),
                                    [id](const Question& question) { return question.id == id; });
    if (found != questions_.end()) Ask(*found);
  }
  Pump();
}

void Display::SendFeatures() {
  if (!features_unsent_) return;
  features_unsent_ = !channel_.Send(wire::VHOST_USER_GPU_SET_PROTOCOL_FEATURES,
                                    std::as_bytes(std::span(&protocol_features_, 1)));
}

void Display::GetDisplayInfo(InfoHandler handler) {
  if (options_.headless) return handler(info_);
  questions_.push_back({next_question_++, std::nullopt, std::move(handler), {}});
  Ask(questions_.back());
}

void Display::GetEdid(uint32_t scanout_id, EdidHandler handler) {
  if (options_.headless) return handler(OwnEdid(scanout_id));
  questions_.push_back({next_question_++, scanout_id, {}, std::move(handler)});
  if (negotiated_ || !channel_.connected()) Ask(questions_.back());
}

void Display::Ask(Question& question) {
  const uint64_t id = question.id;
  if (!question.edid_of) {
    channel_.Request(
        wire::VHOST_USER_GPU_GET_DISPLAY_INFO, {},
        [this, id](std::span<const std::byte> payload) { OnDisplayInfo(id, payload); });
    return;
  }
  if ((protocol_features_ & kFeatureEdid) == 0) return OnEdid(id, {}, false);
  const wire::VhostUserGpuEdidRequest request{*question.edid_of};
  channel_.Request(wire::VHOST_USER_GPU_GET_EDID, std::as_bytes(std::span(&request, 1)),
                   [this, id](std::span<const std::byte> payload) {
                     OnEdid(id, payload, channel_.connected());
                   });
  // QEMU says nothing at all about a scanout that it does not have: the answer to this question,
  // which it always has, shows that it skipped the one before.
  channel_.Request(wire::VHOST_USER_GPU_GET_PROTOCOL_FEATURES, {},
                   [](std::span<const std::byte>) {});
}

std::optional<Display::Question> Display::TakeQuestion(uint64_t id) {
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [id](const Question& question) { return question.id == id; });
  if (found == questions_.end()) return std::nullopt;
  Question question = std::move(*found);
  questions_.erase(found);
  return question;
}

void Display::OnDisplayInfo(uint64_t id, std::span<const std::byte> payload) {
  if (payload.size() == sizeof(info_)) std::memcpy(&info_, payload.data(), sizeof(info_));
  if (auto question = TakeQuestion(id)) question->info(info_);
}

void Display::OnEdid(uint64_t id, std::span<const std::byte> payload, bool skipped) {
  auto question = TakeQuestion(id);
  if (!question) return;
  virtio_gpu_resp_edid edid{};
  if (payload.size() == sizeof(edid)) {
    std::memcpy(&edid, payload.data(), sizeof(edid));
    if (edid.size <= sizeof(edid.edid)) return question->edid(edid);
    stats_.CountError(StatsError::kDisplayProtocol);
  } else if (skipped) {
    return question->edid(std::nullopt);
  }
  question->edid(OwnEdid(*question->edid_of));
}

virtio_gpu_resp_edid Display::OwnEdid(uint32_t scanout_id) const {
  const auto& size = info_.pmodes[scanout_id].r;
  const bool known = size.width != 0 && size.height != 0;
  const auto bytes = MakeEdid(scanout_id, known ? size.width : 1024, known ? size.height : 768);
  virtio_gpu_resp_edid edid{};
  edid.size = kEdidBytes;
  std::memcpy(edid.edid, bytes.data(), bytes.size());
  return edid;
}

void Display::AnswerNow() {
  while (!questions_.empty()) {
    auto question = TakeQuestion(questions_.front().id);
    if (question->edid_of) {
      question->edid(OwnEdid(*question->edid_of));
    } else {
      question->info(info_);
    }
  }
}

}  // namespace rendercar::gpu
