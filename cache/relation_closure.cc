#include "cache/relation_closure.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace sportello::cache {
namespace {

void make_set(std::vector<Oid>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

bool is_table(const Relation& relation) {
  return relation.kind == 'r' || relation.kind == 'p' || relation.kind == 'm' || relation.kind == 'f';
}

// A trigger, rule or default comes into play for what is written below, too.
class WriteWalk {
 public:
  explicit WriteWalk(const Catalog& catalog) : catalog_(catalog) {}

  RelationClosure walk(const std::vector<WrittenRelation>& relations) {
    for (const WrittenRelation& relation : relations) {
      reach(relation);
    }
    while (!open_.empty()) {
      const WrittenRelation next = open_.back();
      open_.pop_back();
      visit(next);
    }
    add_parents();
    make_set(closure_.tables);
    make_set(closure_.passed);
    return std::move(closure_);
  }

 private:
  // Again, if more happens to it than was known.
  void reach(const WrittenRelation& relation) {
    WrittenRelation& known = reached_[relation.oid];
    if (known.oid != 0 && known.rows_go >= relation.rows_go && known.cascades >= relation.cascades) {
      return;
    }
    known.oid = relation.oid;
    known.rows_go |= relation.rows_go;
    known.cascades |= relation.cascades;
    open_.push_back(known);
  }

  void visit(const WrittenRelation& written) {
    const Relation* relation = catalog_.relation(written.oid);
    if (relation == nullptr) {
      closure_.is_complete = false;
      return;
    }
    closure_.traits.add(relation->when_written);
    (is_table(*relation) ? closure_.tables : closure_.passed).push_back(relation->oid);
    for (const Oid child : relation->children) {
      reach({child, written.rows_go, written.cascades});
    }
    if (relation->is_view()) {
      for (const Oid table : relation->query_reads) {
        reach({table, written.rows_go, written.cascades});
      }
    }
    for (const ForeignKey& key : relation->referenced_by) {
      if (written.cascades || (written.rows_go && key.is_changed)) {
        reach({key.table, true, written.cascades});
      }
    }
  }

  void add_parents() {
    std::vector<Oid> open = closure_.tables;
    std::unordered_set<Oid> seen(open.begin(), open.end());
    while (!open.empty()) {
      const Relation* relation = catalog_.relation(open.back());
      open.pop_back();
      for (const Oid parent : relation->parents) {
        if (seen.insert(parent).second) {
          closure_.tables.push_back(parent);
          open.push_back(parent);
        }
      }
    }
  }

  const Catalog& catalog_;
  RelationClosure closure_;
  std::unordered_map<Oid, WrittenRelation> reached_;
  std::vector<WrittenRelation> open_;
};

}  // namespace

RelationClosure closure_of_reads(const Catalog& catalog, const std::vector<Oid>& relations) {
  RelationClosure closure;
  std::vector<Oid> open = relations;
  std::unordered_set<Oid> seen(open.begin(), open.end());
  const auto reach = [&](const std::vector<Oid>& list) {
    for (const Oid oid : list) {
      if (seen.insert(oid).second) {
        open.push_back(oid);
      }
    }
  };
  while (!open.empty()) {
    const Relation* relation = catalog.relation(open.back());
    open.pop_back();
    if (relation == nullptr) {
      closure.is_complete = false;
      continue;
    }
    closure.traits.add(relation->when_read);
    (is_table(*relation) ? closure.tables : closure.passed).push_back(relation->oid);
    reach(relation->children);
    if (relation->kind != 'm') {
      reach(relation->query_reads);
    }
  }
  make_set(closure.tables);
  make_set(closure.passed);
  return closure;
}

RelationClosure closure_of_writes(const Catalog& catalog, const std::vector<WrittenRelation>& relations) {
  return WriteWalk(catalog).walk(relations);
}

}  // namespace sportello::cache
