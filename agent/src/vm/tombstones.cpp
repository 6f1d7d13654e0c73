#include "tombstones.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
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

void Tombstones::one_more() {
  if (++added_ > most_ / 10) remove_oldest();
}

void Tombstones::remove_oldest() {
  added_ = 0;
  using Written = std::pair<std::int64_t, std::int64_t>;
  std::vector<std::pair<Written, std::string>> stones;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    struct stat info {};
    // Half-written ones are another's to remove.
    if (at->path().extension() == ".json" && ::stat(at->path().c_str(), &info) == 0)
      stones.push_back({{info.st_mtim.tv_sec, info.st_mtim.tv_nsec}, at->path().string()});
  }
  if (error || stones.size() <= most_) return;
  const auto keep = stones.end() - static_cast<std::ptrdiff_t>(most_);
  std::nth_element(stones.begin(), keep, stones.end());
  for (auto old = stones.begin(); old != keep; ++old) ::unlink(old->second.c_str());
  core::logger("vm")->info("the oldest records of deletions are removed count={} kept={}", stones.size() - most_,
                           most_);
}

}  // namespace qarax::agent
