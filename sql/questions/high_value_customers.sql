-- Who are our high-value customers, and what do they bring together?
-- The twenty with the highest net sales of all time among the top part of the customers with an order (by
-- default a fifth, core.parameters.high_value_share; whoever equals the last of them is in, too).
-- `group_customers` of them bring `group_net_sales`, which is `group_share` of the net sales of all customers
-- with an order, in every row. `predicted_segment` says what they are expected to be in the days to come: who is
-- not High there is worth a call. `group_predicted_high` of the group are expected to be High again, and
-- `rising_customers` who do not belong to it yet (basis `predicted` of customer.high_value).
with members as (
    select
        h.customer_id,
        h.rank,
        h.net_sales,
        h.all_net_sales,
        h.share,
        h.orders,
        h.predicted_segment,
        h.expected_value,
        h.horizon_days,
        h.currency
    from customer.high_value as h
    where h.basis = 'top_revenue'
),

rising as (
    select count(*) as customers
    from customer.high_value as h
    where h.basis = 'predicted' and not h.is_top_revenue
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
        max(m.all_net_sales) as all_net_sales,
        count(*) filter (where m.predicted_segment = 'High') as group_predicted_high
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
        m.predicted_segment,
        m.expected_value,
        m.horizon_days,
        t.group_customers,
        t.group_net_sales,
        t.group_net_sales::double precision / nullif(t.all_net_sales, 0) as group_share,
        t.group_predicted_high,
        r.customers as rising_customers,
        m.currency
    from members as m
    cross join totals as t
    cross join rising as r
    inner join profiles as p on m.customer_id = p.customer_id
    where m.rank <= 20
)

select * from final
order by rank
