#include "tombstones.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

Status Tombstones::write(const Tombstone& stone) const {
  return core::write_file_durably(path_of(stone.vm), encode(stone, Defaults::write));
}

Result<Tombstone> Tombstones::read(const std::string& vm) const {
  QARAX_TRY(const std::string text, core::read_file(path_of(vm), 4096));
  auto stone = decode<Tombstone>(std::string_view(text), Unknown::ignore);
  if (!stone)
    return make_error(
        Code::data_loss,
        "the record of VM " + vm + "'s deletion, " + path_of(vm) + ", is damaged: " + stone.error().message,
        "vm-folder-damaged");
  return stone;
}

void Tombstones::one_more(const std::string& vm) {
  {
    const std::lock_guard lock(mutex_);
    own_.push_back(path_of(vm));
    if (own_.size() > most_) own_.pop_front();
    if (++added_ <= most_ / 10) return;
  }
  remove_oldest();
}

void Tombstones::remove_oldest() {
  const std::lock_guard lock(mutex_);
  added_ = 0;
  const std::set<std::string> own(own_.begin(), own_.end());
  using Written = std::pair<std::int64_t, std::int64_t>;
  std::vector<std::pair<Written, std::string>> others;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    struct stat info {};
    // Half-written files are removed at the agent's start.
    if (at->path().extension() == ".json" && !own.contains(at->path().string()) &&
        ::stat(at->path().c_str(), &info) == 0)
      others.push_back({{info.st_mtim.tv_sec, info.st_mtim.tv_nsec}, at->path().string()});
  }
  const std::size_t room = most_ - own.size();
  if (error || others.size() <= room) return;
  const auto keep = others.end() - static_cast<std::ptrdiff_t>(room);
  std::nth_element(others.begin(), keep, others.end());
  for (auto old = others.begin(); old != keep; ++old) ::unlink(old->second.c_str());
  core::logger("vm")->info("the oldest records of deletions are removed count={} kept={}", others.size() - room, most_);
}

}  // namespace qarax::agent
