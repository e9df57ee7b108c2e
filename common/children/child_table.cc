// The children that one process holds for another, and the other's notes.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/child_table.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

namespace rendercar::launcher {
namespace {

constexpr int64_t kHighestChildFd = 64;

absl::StatusOr<UniqueFd> Copy(const UniqueFd& fd) {
  UniqueFd copy = fd.Duplicate();
  if (!copy.valid()) return ErrnoStatus(errno, "duplicating a descriptor");
  return copy;
}

}  // namespace

Message ChildTable::Handle(Message request, uint64_t generation) {
  absl::StatusOr<Message> answer = Dispatch(request, generation);
  if (!answer.ok()) return Failure(answer.status());
  answer->kind = Kind::kAnswer;
  return *std::move(answer);
}

absl::StatusOr<Message> ChildTable::Dispatch(Message& request, uint64_t generation) {
  Message answer;
  switch (request.kind) {
    case Kind::kStart:
      return Start(request);
    case Kind::kStatus:
      return Status(request.id);
    case Kind::kForget:
      return Forget(request.id);
    case Kind::kTake:
      return Take(request.id);
    case Kind::kRemember:
      return Remember(request);
    case Kind::kList:
      answer.numbers.push_back(static_cast<int64_t>(generation));
      for (const auto& [id, entry] : children_) answer.numbers.push_back(static_cast<int64_t>(id));
      return answer;
    case Kind::kNotes:
      for (const auto& [key, note] : notes_) answer.strings.push_back(key);
      return answer;
    case Kind::kNote:
      if (request.strings.size() != 1 || !notes_.contains(request.strings[0]))
        return absl::NotFoundError("no such note");
      answer.strings.push_back(notes_[request.strings[0]]);
      return answer;
    case Kind::kAnswer:
      break;
  }
  return absl::InvalidArgumentError("this is no request");
}

absl::StatusOr<Message> ChildTable::Start(Message& request) {
  if (request.strings.size() < 2 || request.numbers.size() != request.fds.size())
    return absl::InvalidArgumentError("a child needs a name, a program, and numbers for its fds");
  if (children_.size() >= kMaxChildren)
    return absl::ResourceExhaustedError("the launcher holds too many children");
  Entry entry;
  entry.name = request.strings[0];
  Subprocess::Options options;
  options.argv.assign(request.strings.begin() + 1, request.strings.end());
  std::vector<UniqueFd> passed;
  for (size_t i = 0; i < request.fds.size(); ++i) {
    const int64_t as = request.numbers[i];
    if (as > kHighestChildFd) return absl::InvalidArgumentError("descriptor number out of range");
    if (as >= 0) options.fds.push_back({request.fds[i].get(), static_cast<int>(as)});
    (as >= 0 ? passed : entry.kept).push_back(std::move(request.fds[i]));
  }
  RC_ASSIGN_OR_RETURN(entry.process, Subprocess::Start(options));
  entry.pid = entry.process.pid();
  const int pidfd = entry.process.pidfd();
  entry.pidfd.Reset(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
  Message answer;
  RC_ASSIGN_OR_RETURN(UniqueFd theirs, Copy(entry.pidfd));
  answer.fds.push_back(std::move(theirs));
  answer.id = next_id_++;
  answer.numbers = {entry.pid};
  children_.emplace(answer.id, std::move(entry));
  return answer;
}

absl::StatusOr<ChildTable::Entry*> ChildTable::Find(uint64_t id) {
  const auto found = children_.find(id);
  if (found == children_.end()) return absl::NotFoundError(absl::StrCat("no child ", id));
  return &found->second;
}

absl::StatusOr<Message> ChildTable::Status(uint64_t id) {
  RC_ASSIGN_OR_RETURN(Entry * entry, Find(id));
  if (!entry->end) entry->end = entry->process.Wait(std::chrono::milliseconds(0));
  Message answer;
  answer.numbers = {0, 0, 0};
  if (entry->end) answer.numbers = {1, static_cast<int64_t>(entry->end->kind), entry->end->code};
  return answer;
}

absl::StatusOr<Message> ChildTable::Forget(uint64_t id) {
  RC_RETURN_IF_ERROR(Find(id).status());
  children_.erase(id);  // kills and reaps what still runs
  return Message();
}

absl::StatusOr<Message> ChildTable::Take(uint64_t id) {
  RC_ASSIGN_OR_RETURN(Entry * entry, Find(id));
  Message answer;
  answer.strings = {entry->name};
  answer.numbers = {entry->pid};
  RC_ASSIGN_OR_RETURN(UniqueFd pidfd, Copy(entry->pidfd));
  answer.fds.push_back(std::move(pidfd));
  for (const UniqueFd& kept : entry->kept) {
    RC_ASSIGN_OR_RETURN(UniqueFd copy, Copy(kept));
    answer.fds.push_back(std::move(copy));
  }
  return answer;
}

absl::StatusOr<Message> ChildTable::Remember(Message& request) {
  if (request.strings.size() != 2) return absl::InvalidArgumentError("a note has a key and a text");
  const std::string& key = request.strings[0];
  if (request.strings[1].empty()) {
    notes_.erase(key);
  } else if (notes_.size() >= kMaxNotes && !notes_.contains(key)) {
    return absl::ResourceExhaustedError("the launcher holds too many notes");
  } else {
    notes_[key] = std::move(request.strings[1]);
  }
  return Message();
}

bool ChildTable::Reap(pid_t pid) {
  for (auto& [id, entry] : children_) {
    if (entry.pid != pid || entry.end) continue;
    entry.end = entry.process.Wait(std::chrono::milliseconds(0));
    return entry.end.has_value();
  }
  return false;
}

size_t ChildTable::running() const {
  return static_cast<size_t>(std::count_if(children_.begin(), children_.end(), [](const auto& c) {
    return c.second.process.running();
  }));
}

void ChildTable::SignalAll(int signal) const {
  for (const auto& [id, entry] : children_) entry.process.Signal(signal);
}

}  // namespace rendercar::launcher
