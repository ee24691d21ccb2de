-- One row per event of a visitor (visit, view, search, cart, ..., purchase), as delivered.
-- Events that need a product and come without one are kept with `is_product_missing` and stay out of product
-- figures. Bots are not removed here: `core.devices.is_bot` is joined where visitors are counted.
-- This table stays in the lake, because it is large and only read by later tables; `core.events` is for readers.
with events as (
    select
        i.interaction_id,
        i.customer_id,
        i.device_id,
        i.product_id,
        i.event_type,
        i.occurred_at,
        i.occurred_date,
        i.occurred_month,
        i.session_id,
        i.page_url,
        i.page_type,
        i.duration_seconds,
        i.order_id,
        i.quantity,
        i.value,
        i.referrer,
        i.utm_source,
        i.utm_medium,
        i.utm_campaign,
        i.ts_adjusted,
        i.source_id
    from landed.interactions as i
),

final as (
    select
        e.interaction_id,
        e.customer_id,
        e.device_id,
        e.product_id,
        e.event_type,
        e.occurred_at,
        e.occurred_date,
        e.occurred_month,
        e.session_id,
        e.page_url,
        e.page_type,
        e.duration_seconds,
        e.order_id,
        e.quantity,
        e.value,
        e.referrer,
        e.utm_source,
        e.utm_medium,
        e.utm_campaign,
        e.product_id is null and e.event_type in ('view', 'cart', 'remove_from_cart', 'wishlist')
            as is_product_missing,
        e.ts_adjusted,
        e.source_id
    from events as e
)

select * from final
