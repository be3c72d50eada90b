#include "protocol/sql/facts_table.h"

#include <cstring>
#include <utility>

namespace sportello::sql {
namespace {

constexpr size_t kFirstSlots = 16;
constexpr size_t kAllocationOverhead = 16;  // what malloc adds to a block
constexpr size_t kLargestShare = 16;        // a key may take this part of the limit

// What a string has beside itself; a short one has it all inside.
size_t bytes_beside(const std::string& text) {
  static const size_t inside = std::string().capacity();
  return text.capacity() > inside ? text.capacity() + 1 + kAllocationOverhead : 0;
}

template <typename Name>
size_t bytes_beside(const std::vector<Name>& names) {
  if (names.capacity() == 0) return 0;
  size_t bytes = kAllocationOverhead + names.capacity() * sizeof(Name);
  for (const Name& name : names) bytes += bytes_beside(name.schema) + bytes_beside(name.name);
  return bytes;
}

size_t bytes_beside(const std::vector<std::string>& texts) {
  if (texts.capacity() == 0) return 0;
  size_t bytes = kAllocationOverhead + texts.capacity() * sizeof(std::string);
  for (const std::string& text : texts) bytes += bytes_beside(text);
  return bytes;
}

size_t bytes_of_facts(const StatementFacts& facts) {
  return sizeof facts + 2 * kAllocationOverhead + bytes_beside(facts.name) + bytes_beside(facts.set_value) +
         bytes_beside(facts.functions) + bytes_beside(facts.calls) + bytes_beside(facts.fields) +
         bytes_beside(facts.reads) + bytes_beside(facts.writes) + bytes_beside(facts.ddl_targets) +
         bytes_beside(facts.types);
}

}  // namespace

FactsTable::FactsTable(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

const FactsPtr* FactsTable::find(std::string_view key, uint64_t hash) {
  if (Slot* slot = find_in(young_, key, hash)) return &slot->entry->facts;
  Slot* slot = find_in(old_, key, hash);
  if (slot == nullptr) return nullptr;
  std::unique_ptr<Entry> entry = std::move(slot->entry);
  const size_t bytes = bytes_of(*entry);
  old_.bytes -= bytes;
  --old_.used;
  const FactsPtr* facts = &entry->facts;  // entries stay where they are, slots move
  make_room(bytes);
  place(young_, hash, std::move(entry), bytes);
  return facts;
}

void FactsTable::insert(std::string_view key, uint64_t hash, FactsPtr facts) {
  if (key.size() > limit_bytes_ / kLargestShare) return;
  auto entry = std::make_unique<Entry>();
  entry->facts = std::move(facts);
  entry->key_bytes = static_cast<uint32_t>(key.size());
  entry->key = std::make_unique<char[]>(key.size());
  if (!key.empty()) std::memcpy(entry->key.get(), key.data(), key.size());
  const size_t bytes = bytes_of(*entry);
  if (bytes > limit_bytes_ / 2) return;
  make_room(bytes);
  place(young_, hash, std::move(entry), bytes);
}

// The facts count in full although texts of one shape share them: better to promise too little.
size_t FactsTable::bytes_of(const Entry& entry) {
  // A slot is half used on average, and its array is copied when it grows.
  return entry.key_bytes + bytes_of_facts(*entry.facts) + sizeof(Entry) + 4 * sizeof(Slot) +
         2 * kAllocationOverhead;
}

void FactsTable::make_room(size_t bytes) {
  if (young_.bytes + bytes <= limit_bytes_ / 2) return;
  old_ = std::exchange(young_, Generation{});
}

FactsTable::Slot* FactsTable::find_in(Generation& generation, std::string_view key, uint64_t hash) {
  if (generation.slots.empty()) return nullptr;
  const size_t mask = generation.slots.size() - 1;
  for (size_t at = hash & mask; generation.slots[at].taken; at = (at + 1) & mask) {
    Slot& slot = generation.slots[at];
    if (slot.hash == hash && slot.entry != nullptr &&
        std::string_view(slot.entry->key.get(), slot.entry->key_bytes) == key) {
      return &slot;
    }
  }
  return nullptr;
}

void FactsTable::place(Generation& generation, uint64_t hash, std::unique_ptr<Entry> entry, size_t bytes) {
  if (4 * (generation.taken + 1) > 3 * generation.slots.size()) grow(generation);
  const size_t mask = generation.slots.size() - 1;
  size_t at = hash & mask;
  while (generation.slots[at].taken) at = (at + 1) & mask;
  generation.slots[at] = Slot{hash, std::move(entry), true};
  ++generation.taken;
  ++generation.used;
  generation.bytes += bytes;
}

void FactsTable::grow(Generation& generation) {
  std::vector<Slot> before = std::exchange(generation.slots, {});
  generation.slots.resize(before.empty() ? kFirstSlots : 2 * before.size());
  const size_t mask = generation.slots.size() - 1;
  generation.taken = 0;
  for (Slot& slot : before) {
    if (slot.entry == nullptr) continue;
    size_t at = slot.hash & mask;
    while (generation.slots[at].taken) at = (at + 1) & mask;
    generation.slots[at] = std::move(slot);
    ++generation.taken;
  }
}

}  // namespace sportello::sql
