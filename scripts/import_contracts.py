"""Import contracts of the house that import-linter does not ship."""

from grimp import ImportGraph
from importlinter.contracts.independence import IndependenceContract
from importlinter.domain.contract import ContractCheck
from importlinter.domain.helpers import module_expressions_to_modules


class IndependentButForPrivate(IndependenceContract):
    """Modules that do not import each other; what they share lives beside them in `_modules`."""

    type_name = "independent_but_for_private"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        for module in module_expressions_to_modules(graph, self.modules):
            if module.name.rpartition(".")[2].startswith("_"):
                for importer in graph.find_modules_that_directly_import(module.name):
                    graph.remove_import(importer=importer, imported=module.name)
        return super().check(graph, verbose)
