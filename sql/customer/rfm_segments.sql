-- One row per segment of `core.rfm_grid`: its customers, what they bought, and what to do.
-- Every segment of the grid stands here, with zeros where nobody is in it; `Not scorable` and `Lapsed-out`
-- only where somebody is. Customers without an order are `Prospects`; guests are no customers. Shares are of
-- all customers and of the net sales of all customers.
with grid as (
    select
        g.segment,
        min(g.segment_rank) as segment_rank,
        min(g.recommended_action) as recommended_action,
        bool_or(g.recency_score is not null or g.cell = 'no order') as is_always_shown
    from core.rfm_grid as g
    where g.cell <> 'not yet a customer'
    group by g.segment
),

customers as (
    select
        r.segment,
        count(*) as customers,
        sum(r.frequency) as orders,
        sum(r.monetary) as net_sales,
        sum(r.ordered_value) as ordered_value,
        avg(r.recency_days) as mean_recency_days,
        avg(r.frequency) as mean_frequency,
        avg(r.monetary) as mean_monetary
    from customer.rfm as r
    group by r.segment
),

final as (
    select
        g.segment,
        g.segment_rank,
        coalesce(m.customers, 0) as customers,
        coalesce(m.customers, 0)::double precision / nullif(sum(m.customers) over (), 0) as customer_share,
        coalesce(m.orders, 0) as orders,
        coalesce(m.net_sales, 0) as net_sales,
        coalesce(m.net_sales, 0)::double precision / nullif(sum(m.net_sales) over (), 0) as net_sales_share,
        coalesce(m.ordered_value, 0) as ordered_value,
        m.ordered_value / nullif(m.orders, 0) as aov,
        m.mean_recency_days,
        m.mean_frequency,
        m.mean_monetary,
        coalesce(m.customers, 0) < p.min_group_size as low_n,
        g.recommended_action,
        c.currency
    from grid as g
    cross join core.clock as c
    cross join core.parameters as p
    left join customers as m on g.segment = m.segment
    where g.is_always_shown or m.customers > 0
)

select * from final
