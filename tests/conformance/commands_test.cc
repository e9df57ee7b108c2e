// virtio-gpu commands that are wrong: each gets the specification's error code, is counted, and
// leaves a device that goes on.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "tests/conformance/conformance.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kXrgb = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM;
constexpr uint32_t kHuge = 0xffffffff;

// A command as bytes, what may be answered, and how it is counted.
struct BadCommand {
  std::string name;
  std::vector<std::byte> bytes;
  std::vector<uint32_t> answers;
  StatsError counted;

  friend void PrintTo(const BadCommand& command, std::ostream* out) { *out << command.name; }
};

template <typename Command>
std::vector<std::byte> Bytes(const Command& command, size_t cut = 0) {
  const auto bytes = BytesOf(command);
  return {bytes.begin(), bytes.end() - static_cast<ptrdiff_t>(cut)};
}
std::vector<std::byte> Attach(uint32_t id, uint32_t announced,
                              const std::vector<GuestSpan>& entries) {
  std::vector<std::byte> bytes = Bytes(ResourceAttachBacking(id, announced));
  const std::vector<std::byte> tail = GpuDriver::Entries(entries);
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

constexpr uint32_t kUnspec = VIRTIO_GPU_RESP_ERR_UNSPEC;
constexpr uint32_t kNoMemory = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
constexpr uint32_t kBadScanout = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
constexpr uint32_t kBadResource = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
constexpr uint32_t kBadContext = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
constexpr uint32_t kBadParameter = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;

// Resource 1 is 64x48 with backing, resource 2 has none, 99 does not exist.
std::vector<BadCommand> BadCommands() {
  using E = StatsError;
  const Rect small{0, 0, 8, 8};
  std::vector<BadCommand> table = {
      {"EmptyRequest", {std::byte{1}}, {kUnspec, kBadParameter}, E::kShortCommand},
      {"HeaderCutShort",
       Bytes(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO), 1),
       {kUnspec, kBadParameter},
       E::kShortCommand},
      {"TypeZero", Bytes(Header(0)), {kUnspec}, E::kUnknownCommand},
      {"UnknownType", Bytes(Header(0x0999)), {kUnspec}, E::kUnknownCommand},
      {"TypeOfAllOnes", Bytes(Header(kHuge)), {kUnspec}, E::kUnknownCommand},
      {"ResponseAsCommand",
       Bytes(Header(VIRTIO_GPU_RESP_OK_NODATA)),
       {kUnspec},
       E::kUnknownCommand},
      {"CursorCommandOnTheControlRing", Bytes(MoveCursor(0, 1, 1)), {kUnspec}, E::kUnknownCommand},

      {"CreateWithIdZero",
       Bytes(ResourceCreate2d(0, 8, 8, kXrgb)),
       {kBadResource},
       E::kInvalidResource},
      {"CreateWithAnIdInUse",
       Bytes(ResourceCreate2d(1, 8, 8, kXrgb)),
       {kBadResource},
       E::kInvalidResource},
      {"CreateOfZeroWidth",
       Bytes(ResourceCreate2d(9, 0, 8, kXrgb)),
       {kBadParameter},
       E::kInvalidParameter},
      {"CreateOfZeroHeight",
       Bytes(ResourceCreate2d(9, 8, 0, kXrgb)),
       {kBadParameter},
       E::kInvalidParameter},
      {"CreateOfHugeSize",
       Bytes(ResourceCreate2d(9, kHuge, kHuge, kXrgb)),
       {kBadParameter, kNoMemory},
       E::kInvalidParameter},
      {"CreateWhoseBytesWrap",
       Bytes(ResourceCreate2d(9, 0x40000000, 4, kXrgb)),
       {kBadParameter, kNoMemory},
       E::kInvalidParameter},
      {"CreateOfFormatZero",
       Bytes(ResourceCreate2d(9, 8, 8, 0)),
       {kBadParameter},
       E::kInvalidParameter},
      {"CreateOfAnUnknownFormat",
       Bytes(ResourceCreate2d(9, 8, 8, 5)),
       {kBadParameter},
       E::kInvalidParameter},
      {"CreateCutShort",
       Bytes(ResourceCreate2d(9, 8, 8, kXrgb), 1),
       {kUnspec, kBadParameter},
       E::kShortCommand},

      {"UnrefOfNothing", Bytes(ResourceUnref(99)), {kBadResource}, E::kInvalidResource},
      {"UnrefOfZero", Bytes(ResourceUnref(0)), {kBadResource}, E::kInvalidResource},

      {"AttachToNothing", Attach(99, 1, {{0, 4096}}), {kBadResource}, E::kInvalidResource},
      {"AttachTwice",
       Attach(1, 1, {{0, 4096}}),
       {kUnspec, kBadParameter, kBadResource},
       E::kInvalidParameter},
      {"AttachOfMoreEntriesThanBytes",
       Attach(2, 2, {{0, 4096}}),
       {kUnspec, kBadParameter},
       E::kShortCommand},
      {"AttachOf4294967295Entries",
       Attach(2, kHuge, {{0, 4096}}),
       {kUnspec, kBadParameter},
       E::kShortCommand},
      {"AttachOutsideGuestMemory",
       Attach(2, 1, {{uint64_t{1} << 40, 4096}}),
       {kUnspec, kBadParameter},
       E::kInvalidParameter},
      {"AttachWhoseAddressWraps",
       Attach(2, 1, {{~uint64_t{0} - 8, 4096}}),
       {kUnspec, kBadParameter},
       E::kInvalidParameter},
      {"AttachOverTheEndOfARegion",
       Attach(2, 1, {{(uint64_t{1} << 20) - 4096, 8192}}),
       {kUnspec, kBadParameter},
       E::kInvalidParameter},
      {"AttachOfABackingThatEndsInTheMiddle",
       Attach(2, 2, {{0, 4096}, {uint64_t{1} << 40, 0xffffffff}}),
       {kBadParameter},
       E::kInvalidParameter},
      {"BlobThatWasNotNegotiated",
       Bytes(ResourceCreateBlob(9, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 4096)),
       {kUnspec},
       E::kUnknownCommand},
      {"BlobScanoutThatWasNotNegotiated",
       Bytes(SetScanoutBlob(0, 1, {0, 0, 8, 8}, 8, 8, kXrgb)),
       {kUnspec},
       E::kUnknownCommand},
      {"MapThatWasNotNegotiated",
       Bytes(virtio_gpu_resource_map_blob{Header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB), 1, 0, 0}),
       {kUnspec},
       E::kUnknownCommand},
      {"UnmapThatWasNotNegotiated",
       Bytes(virtio_gpu_resource_unmap_blob{Header(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB), 1, 0}),
       {kUnspec},
       E::kUnknownCommand},
      {"DetachOfNothing", Bytes(ResourceDetachBacking(99)), {kBadResource}, E::kInvalidResource},

      {"TransferOfNothing",
       Bytes(TransferToHost2d(99, small, 0)),
       {kBadResource},
       E::kInvalidResource},
      {"TransferWithoutBacking",
       Bytes(TransferToHost2d(2, small, 0)),
       {kBadParameter, kUnspec, kBadResource},
       E::kInvalidParameter},
      {"TransferBeyondTheRightEdge",
       Bytes(TransferToHost2d(1, {60, 0, 8, 8}, 0)),
       {kBadParameter},
       E::kInvalidParameter},
      {"TransferWhoseEdgeWraps",
       Bytes(TransferToHost2d(1, {kHuge, 0, 8, 8}, 0)),
       {kBadParameter},
       E::kInvalidParameter},
      {"TransferOfHugeHeight",
       Bytes(TransferToHost2d(1, {0, 1, 8, kHuge}, 0)),
       {kBadParameter},
       E::kInvalidParameter},
      {"TransferBeyondTheBacking",
       Bytes(TransferToHost2d(1, small, 1 << 20)),
       {kBadParameter, kUnspec},
       E::kInvalidParameter},
      {"TransferWhoseOffsetWraps",
       Bytes(TransferToHost2d(1, small, ~uint64_t{0} - 16)),
       {kBadParameter, kUnspec},
       E::kInvalidParameter},

      {"ScanoutThatDoesNotExist",
       Bytes(SetScanout(16, 1, small)),
       {kBadScanout},
       E::kInvalidScanout},
      {"ScanoutOfAllOnes", Bytes(SetScanout(kHuge, 1, small)), {kBadScanout}, E::kInvalidScanout},
      {"ScanoutOfNothing", Bytes(SetScanout(0, 99, small)), {kBadResource}, E::kInvalidResource},
      {"ScanoutBeyondTheResource",
       Bytes(SetScanout(0, 1, {0, 0, 65, 48})),
       {kBadParameter},
       E::kInvalidParameter},
      {"ScanoutWhoseEdgeWraps",
       Bytes(SetScanout(0, 1, {kHuge - 3, 0, 8, 8})),
       {kBadParameter},
       E::kInvalidParameter},
      {"ScanoutOfNoWidth",
       Bytes(SetScanout(0, 1, {0, 0, 0, 8})),
       {kBadParameter},
       E::kInvalidParameter},

      {"FlushOfNothing", Bytes(ResourceFlush(99, small)), {kBadResource}, E::kInvalidResource},
      {"FlushBeyondTheEdge",
       Bytes(ResourceFlush(1, {0, 40, 8, 9})),
       {kBadParameter},
       E::kInvalidParameter},
      {"FlushWhoseEdgeWraps",
       Bytes(ResourceFlush(1, {8, 8, kHuge, kHuge})),
       {kBadParameter},
       E::kInvalidParameter},

      {"EdidOfAScanoutThatDoesNotExist",
       Bytes(GetEdid(16)),
       {kBadParameter, kBadScanout},
       E::kInvalidScanout},
      {"EdidOfAllOnes", Bytes(GetEdid(kHuge)), {kBadParameter, kBadScanout}, E::kInvalidScanout},
      {"CapsetThatDoesNotExist",
       Bytes(GetCapset(1, 1)),
       {kUnspec, kBadParameter},
       E::kInvalidParameter},
      {"UuidOfNothing",
       Bytes(ResourceAssignUuid(99)),
       {kBadResource, kUnspec},
       E::kInvalidResource},

      {"ContextWithoutVirgl", Bytes(CtxCreate(1, "x")), {kUnspec}, E::kUnknownCommand},
      {"SubmitWithoutVirgl", Bytes(Submit3d(1, 0)), {kUnspec, kBadContext}, E::kUnknownCommand},
      {"Create3dWithoutVirgl", Bytes(ResourceCreate3d(9, 8, 8, 1)), {kUnspec}, E::kUnknownCommand},
  };
  return table;
}

class WrongCommand : public Conformance, public testing::WithParamInterface<BadCommand> {};

TEST_P(WrongCommand, IsAnsweredCountedAndSurvived) {
  Boot();
  CreateResource(1, 64, 48);
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(2, 64, 48, kXrgb)), VIRTIO_GPU_RESP_OK_NODATA);
  ExpectAnyCounted([&] {
    const absl::StatusOr<GpuResponse> answer = gpu().CallBytes(GetParam().bytes);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(std::count(GetParam().answers.begin(), GetParam().answers.end(), answer->type()), 1)
        << "answered " << std::hex << answer->type();
    EXPECT_EQ(answer->written, sizeof(virtio_gpu_ctrl_hdr));
  });
  ExpectAlive();
}

// What is counted is the specification's kind of error, not just any.
TEST_P(WrongCommand, IsCountedByItsKind) {
  Boot();
  CreateResource(1, 64, 48);
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(2, 64, 48, kXrgb)), VIRTIO_GPU_RESP_OK_NODATA);
  const StatsSnapshot before = Stats();
  gpu().CallBytes(GetParam().bytes).IgnoreError();
  const StatsSnapshot after = Stats();
  for (size_t i = 0; i < after.errors.size(); ++i) {
    if (after.errors[i] == before.errors[i]) continue;
    const auto kind = static_cast<StatsError>(i);
    const bool no_memory_instead =
        kind == StatsError::kOutOfMemory && GetParam().counted == StatsError::kInvalidParameter;
    EXPECT_TRUE(kind == GetParam().counted || no_memory_instead)
        << ToString(kind) << " instead of " << ToString(GetParam().counted);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, WrongCommand, testing::ValuesIn(BadCommands()),
                         [](const auto& command) { return command.param.name; });

class Commands : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (!IsSkipped()) Boot();
  }
};

TEST_F(Commands, EveryLengthOfEveryCommandIsSurvived) {
  CreateResource(1, 64, 48);
  const std::vector<std::vector<std::byte>> commands = {
      Bytes(ResourceCreate2d(9, 8, 8, kXrgb)),
      Bytes(ResourceUnref(9)),
      Bytes(SetScanout(0, 1, {0, 0, 64, 48})),
      Bytes(ResourceFlush(1, {0, 0, 64, 48})),
      Bytes(TransferToHost2d(1, {0, 0, 64, 48}, 0)),
      Attach(9, 1, {{0, 4096}}),
      Bytes(ResourceDetachBacking(9)),
      Bytes(GetEdid(0)),
      Bytes(GetCapsetInfo(0)),
      Bytes(GetCapset(1, 1)),
      Bytes(ResourceAssignUuid(1)),
      Bytes(ResourceCreateBlob(9, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 4096)),
      Bytes(SetScanoutBlob(0, 1, {0, 0, 8, 8}, 8, 8, kXrgb)),
      Bytes(CtxCreate(1, "c"))};
  for (const std::vector<std::byte>& command : commands) {
    for (size_t size = 1; size < command.size(); ++size) {
      const absl::StatusOr<GpuResponse> answer = gpu().CallBytes(std::span(command).first(size));
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->type() & 0xff00U, 0x1200U) << "size " << size;
    }
  }
  ExpectAlive();
}

TEST_F(Commands, ABackingOfNoBytesBacksNothing) {
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(3, 8, 8, kXrgb)), VIRTIO_GPU_RESP_OK_NODATA);
  const GuestSpan none[] = {{0, 0}, {4096, 0}};
  EXPECT_EQ(gpu().AttachBacking(3, none), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(3, {0, 0, 1, 1}, 0)), kBadParameter);
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(3, {0, 0, 0, 0}, 0)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(3, {0, 0, 0, 0})), VIRTIO_GPU_RESP_OK_NODATA);
}

TEST_F(Commands, AnErrorStillEndsItsFence) {
  const uint64_t fence = 0x1234567890abcdef;
  const absl::StatusOr<GpuResponse> answer = gpu().Call(Fenced(ResourceUnref(99), fence));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->type(), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
  EXPECT_EQ(answer->header().flags & VIRTIO_GPU_FLAG_FENCE, uint32_t{VIRTIO_GPU_FLAG_FENCE});
  EXPECT_EQ(answer->header().fence_id, fence);
}

TEST_F(Commands, FencesOf64BitsComeBackInOrder) {
  for (uint64_t i = 0; i < 32; ++i) {
    ASSERT_TRUE(gpu().Post(Fenced(ResourceUnref(99), (i << 32) + 7)).has_value());
  }
  gpu().Publish();
  for (uint64_t i = 0; i < 32; ++i) {
    const std::optional<uint32_t> slot = gpu().WaitSlot();
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(gpu().ResponseHeader(*slot).fence_id, (i << 32) + 7);
  }
}

TEST_F(Commands, AnUnfencedAnswerCarriesNoFence) {
  const absl::StatusOr<GpuResponse> answer = gpu().Call(ResourceUnref(99));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->header().flags & VIRTIO_GPU_FLAG_FENCE, 0U);
}

TEST_F(Commands, TheTestEdidArrives) {
  const absl::StatusOr<GpuResponse> answer = gpu().Call(GetEdid(0));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->type(), VIRTIO_GPU_RESP_OK_EDID);
  const auto edid = answer->As<virtio_gpu_resp_edid>();
  ASSERT_EQ(edid.size % 128, 0U);
  uint8_t sum = 0;
  for (uint32_t i = 0; i < edid.size; ++i) sum = static_cast<uint8_t>(sum + edid.edid[i]);
  EXPECT_EQ(sum, 0);
  EXPECT_EQ(edid.edid[1], 0xff);
}

TEST_F(Commands, AResourceCanBeMadeAgainAfterUnref) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(5, 8, 8, kXrgb)), VIRTIO_GPU_RESP_OK_NODATA);
    EXPECT_EQ(gpu().TypeOf(ResourceUnref(5)), VIRTIO_GPU_RESP_OK_NODATA);
  }
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(5)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

TEST_F(Commands, BackingCanBeDetachedAndAttachedAgain) {
  CreateResource(1, 64, 48);
  EXPECT_EQ(gpu().TypeOf(ResourceDetachBacking(1)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().AttachBacking(1, resources_[1].backing), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(1, {0, 0, 64, 48}, 0)), VIRTIO_GPU_RESP_OK_NODATA);
}

TEST_F(Commands, ResourcesBeyondTheLimitAreRefusedAndTheRestWork) {
  uint32_t made = 0;
  uint32_t type = VIRTIO_GPU_RESP_OK_NODATA;
  while (type == VIRTIO_GPU_RESP_OK_NODATA && made < 4096) {
    type = gpu().TypeOf(ResourceCreate2d(made + 10, 4096, 4096, kXrgb));
    ++made;
  }
  EXPECT_EQ(type, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
  EXPECT_EQ(gpu().TypeOf(ResourceUnref(10)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(ResourceCreate2d(9, 4096, 4096, kXrgb)), VIRTIO_GPU_RESP_OK_NODATA);
}

TEST_F(Commands, CursorCommandsThatAreWrongAreCountedAndSurvived) {
  ExpectAnyCounted([&] { EXPECT_TRUE(vm().cursor().Call(MoveCursor(99, 1, 1)).ok()); });
  ExpectAnyCounted([&] { EXPECT_TRUE(vm().cursor().Call(UpdateCursor(0, 99, 1, 1)).ok()); });
  ExpectAnyCounted(
      [&] { EXPECT_TRUE(vm().cursor().Call(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO)).ok()); });
  EXPECT_TRUE(vm().cursor().Call(MoveCursor(0, 3, 4)).ok());
  EXPECT_TRUE(display().WaitFor([](const DisplayState& state) {
    const auto found = state.cursors.find(0);
    return found != state.cursors.end() && found->second.x == 3;
  }));
}

}  // namespace
}  // namespace rendercar::frontend
