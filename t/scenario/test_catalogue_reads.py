"""What ponte knows of a tenant, as the hub and people read it, and the small
writes beside it."""

from test_rules import BASE, get, push, shop  # noqa: F401

DOC = {"id": 42, "name": "Trocas", "document_type": "support", "content": "Trocas em até 7 dias.", "active": True,
       "visible_in_ai": True, "create_date": "2026-05-02 12:10:00"}
SCHEDULE = {"rule_id": 5, "name": "Visita", "description": "Visita técnica", "service_type": "maintenance", "duration": 1.5}


def documents(i, *docs, path=BASE + "/sync-support-documents", **more):
    return push(i, dict({"account_id": "account_7", "business_rule_id": 1, "documents": list(docs)}, **more), path)


# ---- processed ----------------------------------------------------------------

def test_what_was_processed(shop):  # noqa: F811
    i = shop
    documents(i, DOC)
    one = get(i, "/processed/support-document/42").json["data"]
    updated = one["document"].pop("last_updated")
    assert one == {"found": True, "document": {
        "id": 42, "name": "Trocas", "document_type": "support", "original_content": DOC["content"], "original_text": DOC["content"],
        "processed_text": DOC["content"], "ai_processed": False, "has_structured_data": False, "structured_data": None}} and updated
    assert get(i, "/processed/support-document/43").json["data"] == {"found": False, "message": "there is no such document"}
    for wrong in ("x", "0", "042", "99999999999999999999"):
        assert get(i, "/processed/support-document/" + wrong).status == 422, wrong
    in_list = get(i, "/processed/support-documents").json["data"]["documents"][0]
    assert in_list == {"id": 42, "name": "Trocas", "document_type": "support", "description": DOC["content"],
                       "processed_text": DOC["content"], "ai_processed": False, "has_structured_data": False, "structured_data": None,
                       "last_updated": updated, "format": "legacy"}
    assert get(i, "/processed/scheduling-rules").json["data"] == {"found": True, "scheduling_rules": [], "total": 0}
    push(i, {"scheduling_rules": [SCHEDULE]}, BASE + "/sync-scheduling-rules")
    data = get(i, "/processed/scheduling-rules").json["data"]
    rule = data["scheduling_rules"][0]
    assert (data["total"], rule["name"], rule["is_temporary"], rule["rule_data"]["duration"], rule["processed_text"]) \
        == (1, "Visita", False, 1.5, "Visita técnica")
    assert set(rule) == {"id", "name", "description", "priority", "is_temporary", "start_date", "end_date", "rule_data",
                         "processed_text", "last_updated"}
    push(i, {"company_info": {"company_name": "Padaria"}}, BASE + "/sync-company-metadata")
    company = get(i, "/processed/company-metadata").json["data"]["metadata"]
    assert (company["original_text"], company["processed_text"], company["ai_processed"]) == (None, None, False)
