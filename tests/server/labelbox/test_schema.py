"""The schema as a contract: whole, resolved, and complete against what the SDK names in its documents."""

from __future__ import annotations

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    get_introspection_query,
    is_enum_type,
    is_input_object_type,
    parse,
    validate,
    validate_schema,
)

from annotary.server.labelbox.answering import schema as built
from tests.server.labelbox.talk import Talk

VARIABLES = (
    "MediaType",
    "QueueMode",
    "AttachmentType",
    "TaskStreamType",
    "IssueStatus",
    "TagSetStatusInput",
    "DeleteBatchLabelsType",
    "EditorTaskType",
    "UploadType",
    "WhereUniqueIdInput",
    "OntologyFilter",
    "RootSchemaNodeFilter",
    "RootSchemaNodeWhere",
    "DataRowCustomMetadataBatchUpsertInput",
    "DataRowIdentifierCustomMetadataBatchDeleteInput",
    "DataRowCustomMetadataBatchDeleteInput",
    "DataRowCustomMetadataDataRowIdentifiersInput",
    "AssignGlobalKeyToDataRowInput",
    "CreateAssignDataRowsToDataSplitTaskInput",
    "UpdateModelRunConfigInput",
    "UpdateTrainingPipelineInput",
    "UpsertCustomMetadataSchemaInput",
    "AddRowsToTaskQueueViaDataRowIdentifiersInput",
    "QueuePriorityUpdateDataRowIdentifiersInput",
    "ExportDataRowsInProjectInput",
    "ExportDataRowsInCatalogInput",
    "ExportDataRowsInSliceInput",
    "ExportDataRowsInModelRunInput",
    "CreateBatchInput",
    "CreateEmptyBatchInput",
    "AddDataRowsToBatchInput",
    "CreateBatchesInput",
    "CreateBatchesFromDatasetInput",
    "DatasetDataRowWhereInput",
    "UpsertOntologyInput",
    "UpsertRootSchemaNodeInput",
    "SendToAnnotateFromCatalogInput",
    "SendToAnnotateFromMeaInput",
    "DataRowCustomMetadataUpsertInput",
    "DataRowAttachmentInput",
    "CreateInviteInput",
    "DataRowCountQueryInput",
)
"""Types that programs name when they declare variables."""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return built()


def test_the_schema_is_valid(schema: GraphQLSchema) -> None:
    assert not validate_schema(schema)


@pytest.mark.parametrize("name", ["Query", "Mutation", "ProjectMutation"])
def test_every_way_in_leads_somewhere(schema: GraphQLSchema, name: str) -> None:
    way = schema.type_map[name]
    assert isinstance(way, GraphQLObjectType)
    assert not [field for field, found in way.fields.items() if found.resolve is None]


@pytest.mark.parametrize("name", VARIABLES)
def test_types_that_variables_are_declared_with_are_there(schema: GraphQLSchema, name: str) -> None:
    found = schema.type_map[name]
    assert is_input_object_type(found) or is_enum_type(found)


def test_whoever_has_a_key_may_see_the_schema(talk: Talk) -> None:
    found = talk.ask(get_introspection_query())
    assert {"Query", "Mutation"} <= {one["name"] for one in found["types"]}
    talk.key = "wrong"
    response = talk.http.post("/graphql", json={"query": get_introspection_query()}, headers=talk.headers)
    assert response.status_code == 401


NULLABLE = (
    "query Q($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!)"
    "{task(where: $where){exportFileFromOffset(streamType: $streamType, offset: $offset)"
    "{offsets {start end} lines {start end} file}}}",
    "query Q($taskId: ID!, $first: Int, $from: String){successesfulDataRowImports"
    "(data: {taskId: $taskId, first: $first, from: $from})"
    "{nodes{id externalId globalKey rowData} after total}}",
    "query Q($search: String, $filter: OntologyFilter, $from: String, $first: PageSize)"
    "{ontologies(where: {filter: $filter, search: $search}, after: $from, first: $first)"
    "{nodes{id name normalized} nextCursor}}",
    "mutation M($projectId: ID!, $queueId: ID, $dataRowIds: [ID!]!){project(where: {id: $projectId})"
    "{createBulkAddRowsToQueueTask(data: {queueId: $queueId, dataRowIds: $dataRowIds}){taskId}}}",
    "query Q($modelRunId: ID!, $from: String, $first: Int){annotationGroups"
    "(where: {modelRunId: {id: $modelRunId}}, after: $from, first: $first){nodes{id},pageInfo{endCursor}}}",
    "query Q($dataRowIds: [ID!]){queryAllDataRowsHaveBeenProcessed(dataRowIds: $dataRowIds)"
    "{allDataRowsHaveBeenProcessed}}",
    "query Q($param_0: Boolean!){projects(where: {deleted: $param_0} skip: 0 first: 100){id}}",
    "query Q($param_0: String!, $param_1: Boolean!){datasets"
    "(where: {AND: [{name_not: $param_0}, {deleted: $param_1}]} skip: 0 first: 100){id}}",
    "query Q($param_0: DateTime!, $param_1: ID!){project(where: {id: $param_1})"
    "{webhooks(where: {createdAt_gte: $param_0} skip: 0 first: 100 orderBy: createdAt_DESC){id}}}",
    "mutation M($name: String!, $description: String!, $queueMode: QueueMode!)"
    "{createProject(data: {name: $name description: $description queueMode: $queueMode}) {id}}",
    "query Q{iamIntegrations{id settings{__typename ... on AwsIamIntegrationSettings {roleArn}"
    " ... on GcpIamIntegrationSettings {serviceAccountEmailId readBucket}}}}",
    "query Q($id: ID!){project(where: {id: $id}){labels(skip: 0 first: 100"
    ' where: {dataRow: {dataset: {id_in: ["a"]}}} orderBy: createdAt_ASC)'
    "{id reviews(skip: 0 first: 100){score}}}}",
    "mutation M{createWebhook(data: {topics: {set: [LABEL_CREATED LABEL_UPDATED]},"
    ' url: "https://example.org", secret: "s"}){id topics status}}',
)
"""Documents in the vendor's mixture of nullable and not; they are checked, not carried out."""


@pytest.mark.parametrize("text", NULLABLE)
def test_documents_are_valid_as_programs_word_them(schema: GraphQLSchema, text: str) -> None:
    assert not validate(schema, parse(text))
