-- Who are our high-value customers, and what do they bring together?
-- The twenty with the highest net sales of all time among the top part of the customers with an order (by
-- default a fifth, core.parameters.high_value_share; whoever equals the last of them is in, too).
-- `group_customers` of them bring `group_net_sales`, which is `group_share` of the net sales of all customers
-- with an order, in every row.
with members as (
    select
        h.customer_id,
        h.rank,
        h.net_sales,
        h.all_net_sales,
        h.share,
        h.orders,
        h.currency
    from customer.high_value as h
    where h.basis = 'top_revenue'
),

profiles as (
    select
        p.customer_id,
        p.last_order_date,
        p.rfm_segment,
        p.top_category,
        p.marketing_consent
    from customer.profile as p
),

totals as (
    select
        count(*) as group_customers,
        sum(m.net_sales) as group_net_sales,
        max(m.all_net_sales) as all_net_sales
    from members as m
),

final as (
    select
        m.rank,
        m.customer_id,
        m.net_sales,
        m.share,
        m.orders,
        p.last_order_date,
        p.rfm_segment,
        p.top_category,
        p.marketing_consent,
        t.group_customers,
        t.group_net_sales,
        t.group_net_sales::double precision / nullif(t.all_net_sales, 0) as group_share,
        m.currency
    from members as m
    cross join totals as t
    inner join profiles as p on m.customer_id = p.customer_id
    where m.rank <= 20
)

select * from final
order by rank
