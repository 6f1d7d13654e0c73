// UUIDs and what a host is known by.
#pragma once

#include <string>
#include <string_view>

namespace qarax::core {

std::string new_uuid();  // version 4: lower case, from getrandom(2)
// Version 7: as text behind every one that this process made before, also within a millisecond or when the clock is set
// back. For lists in the order of their making. Any thread.
std::string new_ordered_uuid();
bool is_uuid(std::string_view text);          // 8-4-4-4-12 hexadecimal digits, any case
std::string to_lower(std::string_view text);  // ASCII
// 16 hexadecimal digits that tell texts apart, and no more than that: whoever wants two of one fingerprint finds them.
std::string fingerprint(std::string_view text);

std::string machine_id();  // /etc/machine-id, empty in containers that have none
// The kernel's, as it was read first: a read that fails later, for want of descriptors, mustn't look like a reboot.
// Empty where there is no /proc.
const std::string& boot_id();
// Of this PID namespace: boot_id(), the namespace's inode, start time of its pid 1. Where it isn't the one that is on
// record, either every process of that time is gone, or this agent runs in another namespace than theirs: only what is
// seen of them, and their supervisors' locks, tell which. Read once as well.
const std::string& boot_identity();

}  // namespace qarax::core
