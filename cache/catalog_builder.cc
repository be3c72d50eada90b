#include "cache/catalog_builder.h"

#include <algorithm>

#include "cache/rule_tree.h"

namespace sportello::cache {
namespace {

// These change but the row in hand, or nothing (functions-trigger.html).
constexpr std::string_view kHarmlessTriggers[] = {
    "suppress_redundant_updates_trigger", "tsvector_update_trigger", "tsvector_update_trigger_column"};

Traits unknown(std::string reason) {
  Traits traits;
  traits.reads_unknown = true;
  traits.writes_unknown = true;
  traits.is_volatile = true;
  traits.reasons = {std::move(reason)};
  return traits;
}

// Nobody who reads can see which of its parts is why.
void prefix_reasons(Traits& traits, const std::string& prefix) {
  for (std::string& reason : traits.reasons) {
    reason.insert(0, prefix);
  }
}

bool is_in_c(const FunctionRow& row) { return row.language == "c" || row.language == "internal"; }

}  // namespace

class CatalogBuilder {
 public:
  explicit CatalogBuilder(CatalogRows rows) : rows_(std::move(rows)), catalog_(new Catalog) {}

  CatalogRef build() {
    catalog_->functions_ = FunctionIndex(rows_.functions, rows_.aggregates);
    catalog_->has_event_triggers_ = rows_.has_event_triggers;
    catalog_->version_ = rows_.version;
    add_schemas();
    add_relations();
    add_types();
    add_inheritance();
    add_foreign_keys();
    add_rules();
    add_triggers();
    add_expressions();
    add_unnamed_calls();
    add_calls_by_dot();
    return std::move(catalog_);
  }

 private:
  void add_schemas() {
    for (NamespaceRow& row : rows_.namespaces) {
      catalog_->schemas_.push_back({row.oid, std::move(row.name), row.usable_by_all});
    }
    std::sort(catalog_->schemas_.begin(), catalog_->schemas_.end(),
              [](const auto& one, const auto& other) { return one.oid < other.oid; });
    for (const auto& schema : catalog_->schemas_) {
      catalog_->schema_names_.emplace(schema.name, schema.oid);
    }
  }

  void add_relations() {
    catalog_->relations_.reserve(rows_.relations.size());
    for (RelationRow& row : rows_.relations) {
      Relation& relation = catalog_->relations_.emplace_back();
      relation.oid = row.oid;
      relation.schema = row.schema;
      relation.name = std::move(row.name);
      relation.kind = row.kind;
      relation.persistence = row.persistence;
      relation.row_security = row.row_security;
      relation.owner = row.owner;
      relation.acl = std::move(row.acl);
      if (row.row_type != 0) {
        of_row_type_.emplace(row.row_type, row.oid);
      }
    }
    std::sort(catalog_->relations_.begin(), catalog_->relations_.end(),
              [](const Relation& one, const Relation& other) { return one.oid < other.oid; });
    for (const Relation& relation : catalog_->relations_) {
      catalog_->names_.emplace(Catalog::Key{relation.schema, relation.name}, &relation);
    }
  }

  void add_types() {
    catalog_->types_ = std::move(rows_.types);
    for (const TypeRow& type : catalog_->types_) {
      catalog_->type_names_.emplace(Catalog::Key{type.schema, type.name}, type.oid);
    }
  }

  void add_inheritance() {
    for (const InheritanceRow& row : rows_.inheritance) {
      Relation* parent = catalog_->find(row.parent);
      Relation* child = catalog_->find(row.child);
      if (parent == nullptr) {
        continue;
      }
      if (child == nullptr) {
        // Rows of a session's own: others do not see them, and that one must not be answered without.
        const Traits traits = unknown("table " + parent->name + " has a temporary child");
        parent->when_read.add(traits);
        parent->when_written.add(traits);
        continue;
      }
      parent->children.push_back(child->oid);
      child->parents.push_back(parent->oid);
    }
  }

  void add_foreign_keys() {
    const auto changes = [](char action) { return action == 'c' || action == 'n' || action == 'd'; };
    for (const ForeignKeyRow& row : rows_.foreign_keys) {
      if (Relation* referenced = catalog_->find(row.referenced)) {
        referenced->referenced_by.push_back({row.table, changes(row.on_delete) || changes(row.on_update)});
      }
    }
  }

  void add_rules() {
    for (const RuleRow& row : rows_.rules) {
      Relation* relation = catalog_->find(row.relation);
      if (relation == nullptr) {
        continue;
      }
      if (!row.is_select) {
        relation->when_written.add(unknown("a rule of " + relation->name + " may write any table"));
      } else if (!row.action) {
        relation->when_read.add(unknown("the query of " + relation->name + " is too large"));
      } else {
        add_query(*relation, read_rule_tree(*row.action));
      }
    }
  }

  void add_query(Relation& relation, const RuleTree& tree) {
    for (const Oid oid : tree.relations) {
      if (oid != relation.oid) {
        relation.query_reads.push_back(oid);
      }
    }
    Traits traits;
    for (const Oid function : tree.functions) {
      traits.add(catalog_->functions_.of(function));
    }
    traits.is_stable |= tree.depends_on_time || tree.depends_on_user;
    traits.user_dependent |= tree.depends_on_user;
    traits.samples |= tree.samples;
    traits.has_system_columns |= tree.has_system_columns;
    if (tree.locks_rows) {
      traits.is_volatile = true;
      traits.reasons.emplace_back("it locks rows");
    }
    prefix_reasons(traits, "in " + relation.name + ": ");
    // A materialized view was run when it was refreshed.
    (relation.kind == 'm' ? relation.when_written : relation.when_read).add(traits);
  }

  bool is_harmless_trigger(Oid function) const {
    if (function >= kFirstUserOid) {
      return false;
    }
    const auto row = std::find_if(rows_.functions.begin(), rows_.functions.end(),
                                  [&](const FunctionRow& each) { return each.oid == function; });
    return row == rows_.functions.end() ||
           std::find(std::begin(kHarmlessTriggers), std::end(kHarmlessTriggers), row->name) !=
               std::end(kHarmlessTriggers);
  }

  void add_triggers() {
    for (const TriggerRow& row : rows_.triggers) {
      Relation* relation = catalog_->find(row.relation);
      if (relation != nullptr && !is_harmless_trigger(row.function)) {
        relation->when_written.add(unknown("a trigger of " + relation->name + " may write any table"));
      }
    }
  }

  void add_expressions() {
    for (const ExpressionRow& row : rows_.expressions) {
      if (row.of == ExpressionRow::Of::DomainCheck) {
        add_domain_check(row);
        continue;
      }
      Relation* relation = catalog_->find(row.owner);
      if (relation == nullptr) {
        continue;
      }
      if (!row.is_function) {
        relation->query_reads.push_back(row.uses);
        continue;
      }
      Traits traits = catalog_->functions_.of(row.uses);
      prefix_reasons(traits, "of " + relation->name + ": ");
      relation->when_written.add(traits);
      if (row.of == ExpressionRow::Of::Policy) {
        relation->when_read.add(traits);
      }
    }
  }

  void add_domain_check(const ExpressionRow& row) {
    Traits traits = catalog_->functions_.of(row.uses);
    prefix_reasons(traits, "a domain's check: ");
    catalog_->unnamed_calls_.add(traits);
  }

  void add_unnamed_calls() {
    for (const HiddenCallRow& row : rows_.hidden_calls) {
      Traits traits = catalog_->functions_.of_unnamed(row.function);
      if (!traits.is_any()) {
        continue;
      }
      prefix_reasons(traits, row.operator_name.empty() ? "a cast: " : "operator " + row.operator_name + ": ");
      (row.is_explicit_cast ? catalog_->explicit_casts_[row.cast_target] : catalog_->unnamed_calls_)
          .add(traits);
    }
  }

  void add_calls_by_dot() {
    for (const FunctionRow& row : rows_.functions) {
      const auto type = of_row_type_.find(row.sole_argument);
      if (row.oid < kFirstUserOid || type == of_row_type_.end() || is_in_c(row)) {
        continue;
      }
      Traits traits = catalog_->functions_.of(row.oid);
      Relation* relation = catalog_->find(type->second);
      if (relation != nullptr && traits.is_any()) {
        prefix_reasons(traits, relation->name + "." + row.name + " may be a call: ");
        relation->when_named.add(traits);
      }
    }
  }

  CatalogRows rows_;
  std::unordered_map<Oid, Oid> of_row_type_;  // row type -> its relation
  std::shared_ptr<Catalog> catalog_;
};

CatalogRef build_catalog(CatalogRows rows) { return CatalogBuilder(std::move(rows)).build(); }

}  // namespace sportello::cache
