#include "cache/flights.h"

#include <utility>

namespace sportello::cache {
namespace {

constexpr size_t kMostKeptBytes = 4096;  // a larger buffer is given back after use

}  // namespace

void Flight::begin(const KeyView& key, Filling&& filling, const AnswerForm& form) {
  drop();
  if (key_.capacity() > kMostKeptBytes) std::string().swap(key_);
  key_.assign(key.bytes);
  hash_ = key.hash;
  filling_ = std::move(filling);
  form_ = form;
}

// What it hangs on may be the last to hold its database, so it goes outside of the lock.
void Flight::end(Landing how, const CachedResultRef& result) {
  if (flights_ != nullptr) {
    const Flights::Waiters waiters = flights_->take_down(*this);
    flights_ = nullptr;
    for (const auto& [number, waiter] : waiters) waiter(how, result);
  }
  filling_.snapshot.clear();
}

// The newest of those who ask for the same, if it is good enough. The floor first, the epochs last, as in a
// look-up.
Flight* Flights::find(const Flight& wanted, const SessionFloor& floor) {
  for (Flight* flight = bucket(wanted.hash_); flight != nullptr; flight = flight->next_) {
    if (flight->hash_ != wanted.hash_ || flight->key_ != wanted.key_) continue;
    const bool is_good = flight->form_.covers(wanted.form_) && floor.is_in(flight->filling_.as_of) &&
                         flight->filling_.snapshot.is_valid();
    return is_good ? flight : nullptr;
  }
  return nullptr;
}

void Flights::take_off(Flight& flight) {
  flight.flights_ = this;
  flight.next_ = std::exchange(bucket(flight.hash_), &flight);
  ++in_the_air_;
  flown_.fetch_add(1, std::memory_order_relaxed);
}

Flights::Ticket Flights::add_waiter(Flight& flight, Waiter waiter) {
  Ticket ticket;
  ticket.flights_ = this;
  ticket.hash_ = flight.hash_;
  ticket.number_ = ++last_number_;
  flight.waiters_.emplace_back(ticket.number_, std::move(waiter));
  joined_.fetch_add(1, std::memory_order_relaxed);
  return ticket;
}

Flights::Waiters Flights::take_down(Flight& flight) {
  const std::scoped_lock lock(mutex_);
  Flight** at = &bucket(flight.hash_);
  while (*at != &flight) at = &(*at)->next_;
  *at = flight.next_;
  --in_the_air_;
  return std::move(flight.waiters_);
}

size_t Flights::in_the_air() const {
  const std::scoped_lock lock(mutex_);
  return in_the_air_;
}

bool Flights::Ticket::leave() {
  if (flights_ == nullptr) return false;
  const std::scoped_lock lock(flights_->mutex_);
  for (Flight* flight = flights_->bucket(hash_); flight != nullptr; flight = flight->next_) {
    if (std::erase_if(flight->waiters_, [this](const auto& each) { return each.first == number_; }) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace sportello::cache
