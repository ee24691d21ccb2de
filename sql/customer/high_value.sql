-- One row per customer of high value and basis: who spent most, who spent much in spite of having a discount, and
-- who is expected to spend much. `top_revenue`: the top part (core.parameters.high_value_share) of the customers
-- with an order by net sales; whoever equals the last of them is in, too, and net sales are above 0.
-- `discount_above_average`: the customer's discounted orders are worth more on average, after the discount, than
-- the average order of the shop. `predicted`: customer.value_prediction says High for the days to come;
-- `model_used` says whether a model says so or a baseline, which knows little more than the past. A customer can
-- stand here on all three. Ranks are by net sales so far within the basis.
with customers as (
    select
        s.customer_id,
        s.orders,
        s.net_sales,
        s.all_net_sales,
        s.share,
        s.is_top_revenue,
        s.is_discount_above_average,
        s.discounted_orders,
        s.discounted_order_value,
        s.average_discounted_order_value,
        s.aov
    from customer.spending as s
),

predictions as (
    select
        v.customer_id,
        v.predicted_segment,
        v.p_high,
        v.expected_value,
        v.horizon_days,
        v.model_used
    from customer.value_prediction as v
),

based as (
    select
        c.customer_id,
        'top_revenue' as basis
    from customers as c
    where c.is_top_revenue
    union all
    select
        c.customer_id,
        'discount_above_average' as basis
    from customers as c
    where c.is_discount_above_average
    union all
    select
        p.customer_id,
        'predicted' as basis
    from predictions as p
    where p.predicted_segment = 'High'
),

final as (
    select
        b.customer_id,
        b.basis,
        row_number() over (partition by b.basis order by c.net_sales desc, c.customer_id) as rank,
        c.net_sales,
        c.all_net_sales,
        c.share,
        c.is_top_revenue,
        c.orders,
        c.discounted_orders,
        c.discounted_order_value,
        c.average_discounted_order_value,
        c.aov,
        p.predicted_segment,
        p.p_high,
        p.expected_value,
        p.horizon_days,
        p.model_used,
        k.currency
    from based as b
    inner join customers as c on b.customer_id = c.customer_id
    inner join predictions as p on b.customer_id = p.customer_id
    cross join core.clock as k
)

select * from final
