-- Who slipped from Champions this month?
-- One row per customer who was in the best RFM segment (the highest rank of core.rfm_grid, `Champions` unless
-- the shop renamed it) at the last month's end and is in another one at the as-of date; those who brought
-- most first. `may_be_contacted` is true only where the customer agreed to marketing. Without a purchase a
-- Champion slips as soon as a fifth of the customers have bought more recently.
with best as (
    select max(g.segment_rank) as segment_rank
    from core.rfm_grid as g
),

champions as (
    select distinct g.segment
    from core.rfm_grid as g
    inner join best as b on g.segment_rank = b.segment_rank
),

clock as (
    select c.as_of_date
    from core.clock as c
),

slipped as (
    select
        h.customer_id,
        h.previous_segment,
        h.segment,
        h.valid_from
    from customer.segment_history as h
    inner join champions as c on h.previous_segment = c.segment
    inner join clock as k on h.valid_from = k.as_of_date
    where h.is_current
),

profiles as (
    select
        p.customer_id,
        p.last_order_date,
        p.orders,
        p.net_sales,
        p.top_category,
        p.marketing_consent,
        p.currency
    from customer.profile as p
),

final as (
    select
        row_number() over (order by p.net_sales desc, s.customer_id) as rank,
        s.customer_id,
        s.previous_segment,
        s.segment,
        s.valid_from as snapshot_date,
        p.last_order_date,
        p.orders,
        p.net_sales,
        p.top_category,
        coalesce(p.marketing_consent, false) as may_be_contacted,
        p.currency
    from slipped as s
    inner join profiles as p on s.customer_id = p.customer_id
)

select * from final
order by rank
