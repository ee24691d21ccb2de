-- Which customers should be won back?
-- One row per customer of a lapsing segment (core.rfm_grid: bought before, and has stayed away for long),
-- those who brought most first. `may_be_contacted` is true only where the customer agreed to marketing; no
-- answer is no. `customers_in_segment` counts the segment. Days are counted to the end of the data, never to
-- today.
with lapsing as (
    select distinct g.segment
    from core.rfm_grid as g
    where g.is_lapsing
),

customers as (
    select
        r.customer_id,
        r.segment,
        r.recency_days,
        r.frequency,
        r.monetary,
        r.last_order_date,
        r.currency
    from customer.rfm as r
    inner join lapsing as l on r.segment = l.segment
    where r.is_scored
),

profiles as (
    select
        p.customer_id,
        p.top_category,
        p.marketing_consent
    from customer.profile as p
),

final as (
    select
        row_number() over (order by c.monetary desc, c.customer_id) as rank,
        c.customer_id,
        c.segment,
        c.last_order_date,
        c.recency_days as days_since_last_order,
        c.frequency as orders,
        c.monetary as net_sales,
        p.top_category,
        coalesce(p.marketing_consent, false) as may_be_contacted,
        count(*) over (partition by c.segment) as customers_in_segment,
        c.currency
    from customers as c
    inner join profiles as p on c.customer_id = p.customer_id
)

select * from final
order by rank
