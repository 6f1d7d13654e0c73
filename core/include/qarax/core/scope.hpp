// A function that runs when its owner's scope ends: for what must be undone or released on every way out.
#pragma once

#include <functional>
#include <utility>

namespace qarax::core {

// Move-only: of all that it was moved through, only the last one runs the function, on the thread that destroys it.
class [[nodiscard]] Scope {
 public:
  Scope() = default;  // runs nothing
  // `at_end` must not throw.
  explicit Scope(std::function<void()> at_end) : at_end_(std::move(at_end)) {}
  Scope(Scope&& other) noexcept : at_end_(std::exchange(other.at_end_, nullptr)) {}
  // Runs what the target held so far.
  Scope& operator=(Scope&& other) noexcept {
    Scope taken(std::move(other));
    at_end_.swap(taken.at_end_);
    return *this;
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    if (at_end_) at_end_();
  }
  // The function is not run any more.
  void dismiss() noexcept { at_end_ = nullptr; }

 private:
  std::function<void()> at_end_;
};

}  // namespace qarax::core
