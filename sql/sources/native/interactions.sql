-- One row per event of the export, as it is called there after the aliases of source.yaml.
-- An event without an id gets one from what it says, so that the same event in another file is the same row.
-- Query and fragment of addresses are left out: they hold personal data and split equal pages.
select
    coalesce(
        nullif(trim(f.interaction_id), ''),
        left(
            encode(
                sha256(
                    convert_to(
                        coalesce(f.customer_id, '') || '|' || coalesce(f.device_id, '') || '|'
                        || coalesce(f.product_id, '') || '|' || coalesce(f.event_type, '') || '|'
                        || coalesce(f.occurred_at, '') || '|' || coalesce(f.page_url, ''),
                        'UTF8'
                    )
                ),
                'hex'
            ),
            32
        )
    ) as interaction_id,
    f.customer_id,
    f.device_id,
    f.product_id,
    f.event_type,
    f.occurred_at,
    f.session_id,
    case
        when strpos(f.page_url, '?') > 0 or strpos(f.page_url, '#') > 0
            then split_part(split_part(f.page_url, '?', 1), '#', 1)
        else f.page_url
    end as page_url,
    f.page_type,
    f.duration_seconds,
    f.order_id,
    f.quantity,
    f.value,
    f.referrer,
    f.utm_source,
    f.utm_medium,
    f.utm_campaign,
    f.updated_at,
    f.line
from file as f
